"""Who calls over HTTP: tokens of the store, OAuth, and the stores of tenants."""
