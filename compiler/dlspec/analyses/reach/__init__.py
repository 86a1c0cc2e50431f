"""Which positions of its inputs an operator looks at: what receptive fields are made of."""
