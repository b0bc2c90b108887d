"""The screens of people and of the systems that know them."""
