"""What caches are told: keys, validators and lifetimes, and that nothing stale or hidden comes of them."""
