"""One run or many: from a composed config to a directory of results."""
