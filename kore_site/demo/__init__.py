"""The demonstration: a fictional club, its fans, and the product served with them."""
