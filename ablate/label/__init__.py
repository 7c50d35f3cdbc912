"""Labels: a teacher scores documents from 0 to 5 by a rubric; every answer is kept on disk."""
