"""From a wish to a plan: which proxy, design and number of seeds rank the stages as surely as is asked, and what that costs."""
