"""The Ticketing Data Manager: where sales reps find a fan, see the whole history and correct an account.

Doors only: the rights are asked by the services, of each account (R-MDB-29).
"""
