"""What every command line shares. Standard library only: both images copy it."""
