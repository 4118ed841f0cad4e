"""ROS 2: topics, services and actions over DDS or zenoh without ROS installed, or over rclpy where it is sourced."""
