"""The upper floor: questions become checked, cited answers, in a page and on a command line."""
