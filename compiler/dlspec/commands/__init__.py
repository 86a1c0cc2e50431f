"""What the subcommands do. Each module is imported only when its command runs."""
