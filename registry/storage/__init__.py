"""Keys and bytes over one driver. `paths` is the only module that knows the layout."""
