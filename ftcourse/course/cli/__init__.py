"""The command `ftcourse`: fine-tune, evaluate, predict, pretrain, and the doctor."""
