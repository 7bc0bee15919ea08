"""Review: people judge what the machine stated, and the pages everybody works on."""
