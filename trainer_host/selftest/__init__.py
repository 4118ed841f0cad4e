"""`enigma selftest`: the whole way on this machine, with a practice provider instead of a paid one."""
