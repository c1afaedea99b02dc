"""Its place makes this folder's helpers, such as `doctored`, importable from the tests below it."""
