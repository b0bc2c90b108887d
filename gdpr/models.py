"""Privacy requests and do-not-call lists come with the privacy issues; nothing is stored yet."""
