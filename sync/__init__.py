"""Moving data: the night, and later the CRM."""
