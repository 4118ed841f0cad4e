"""What avatars can do: closed vocabularies and the faces that belong to them."""
