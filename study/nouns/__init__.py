"""The nouns of a study: frozen, validated data, JSON in and out; they know nothing of the other rooms."""
