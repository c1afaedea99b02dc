"""YAML text as nodes that know their place, and entries cut out of it."""
