"How `mini-bert` is made: English text, a pruned vocabulary, what the teacher says of it, and a student that learns it."
