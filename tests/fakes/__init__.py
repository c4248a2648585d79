"""Local stand-ins for other people's services, over real sockets."""
