"""The way to motors and sensors; imports none of the other three packages."""
