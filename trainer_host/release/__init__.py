"""Release: signing, bundles, the devices that this host is paired with, and delivery to them."""
