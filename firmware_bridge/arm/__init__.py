"""Arms: kinematics from a URDF, an envelope that no request crosses, ways round boxes, pick and place, over ROS 2."""
