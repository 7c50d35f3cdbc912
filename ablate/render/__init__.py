"""Ground for every page: tables and figures as they look everywhere, whatever they are about."""
