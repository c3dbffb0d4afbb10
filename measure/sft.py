"""Updates of instruction tuning a second, ours and trl's: a part of `make bench`.

Both arms train tiny-gpt in full on the same conversations of the built-in task, encoded by the same template, 16 a
batch, answers alone supervised, dropout as the model has it, AdamW. trl's SFTTrainer is set to do no more than train:
no log, no checkpoint. The encoding is not timed. Rounds in turns, the calmest of each; the loss of held-out answers
afterwards shows that both learned the same.
"""

import re
import tempfile
import time

from common import table, verdict

AIM = 2.0  # times trl's updates a second
ROUNDS, UPDATES, BATCH, LR = 3, 60, 16, 1e-3


def rows_of(n):
    "Rows of the built-in task, and some that are held out."
    from ftcourse import load_task
    from ftcourse.tasks.instructions import built_in_rows

    return load_task({"train": built_in_rows("train", n), "test": built_in_rows("test", n // 5)}, kind="instructions")


def chatty():
    "tiny-gpt with the template of conversations."
    from ftcourse.data.encode.instructions import PLAIN_TEMPLATE
    from ftcourse.models.load import load_model

    model = load_model("tiny-gpt").copy()
    model.tokenizer.chat_template = PLAIN_TEMPLATE
    _ = model.network  # of transformers, as trl needs it
    return model


def ours(task, updates, seed):
    "(model, function that trains it)."
    from ftcourse.core.hparams import HyperParams
    from ftcourse.tasks.instructions import prepare
    from ftcourse.train.loop import fit

    model = chatty()
    hp = HyperParams(max_steps=updates, batch_size=BATCH, lr=LR, seed=seed, max_length=128, precision="no")
    batches, loss, _ = prepare(model, task, hp)
    return model, lambda: fit(model, batches, hp, loss=loss)


def theirs(task, updates, seed):
    "The same with trl."
    from datasets import Dataset
    from trl import SFTConfig, SFTTrainer

    model = chatty()
    message = lambda role, text: [{"role": role, "content": text}]
    data = Dataset.from_list(
        [
            {"prompt": message("user", r["prompt"]), "completion": message("assistant", r["completion"])}
            for r in task.train
        ]
    )
    config = SFTConfig(
        output_dir=tempfile.mkdtemp(),
        use_cpu=True,
        bf16=False,
        max_steps=updates,
        per_device_train_batch_size=BATCH,
        learning_rate=LR,
        weight_decay=0.01,
        max_length=128,
        completion_only_loss=True,
        eos_token="</s>",
        seed=seed,
        report_to=[],
        disable_tqdm=True,
        logging_strategy="no",
        save_strategy="no",
        gradient_checkpointing=False,
    )
    made = SFTTrainer(model=model.network, args=config, train_dataset=data, processing_class=model.tokenizer)
    return model, made.train


def sft(quick=False):
    "Both arms in turns -> [{updates, cpu: {arm: [seconds an update]}, loss: {arm: nats}, ratio}]."
    from ftcourse.data.encode.instructions import encode_instructions
    from ftcourse.tasks.instructions import answer_loss

    task = rows_of(64 if quick else 1000)
    cpu, wall, loss = ({"ours": [], "trl": []} for _ in range(3))
    updates = 16 if quick else UPDATES  # fewer say more of the order of rows than of the arm
    for seed in range(1 if quick else ROUNDS):
        for arm, make in (("ours", ours), ("trl", theirs)):
            make(task, 2, seed)[1]()  # warm up
            model, train = make(task, updates, seed)
            began, clock = time.process_time(), time.perf_counter()
            train()
            cpu[arm].append(round((time.process_time() - began) / updates, 5))
            wall[arm].append(round((time.perf_counter() - clock) / updates, 5))
            held = answer_loss(encode_instructions(task, "test", model.tokenizer, 128))
            model.network.eval()
            loss[arm].append(round(held(model)["loss"], 3))
    ratio = min(cpu["trl"]) / min(cpu["ours"])
    print(f"  sft: {ratio:.2f} times trl's updates a second", flush=True)
    return [{"updates": updates, "cpu": cpu, "wall": wall, "loss": loss, "ratio": round(ratio, 2)}]


def sft_written(found):
    "The record as Markdown."
    (x,) = found
    mean = lambda values: sum(values) / len(values)
    rows = [
        {
            "arm": arm,
            "updates a second (CPU time)": f"{1 / min(x['cpu'][arm]):.1f}",
            "(by the clock)": f"{1 / min(x['wall'][arm]):.1f}",
            "loss of held-out answers": f"{mean(x['loss'][arm]):.2f}",
        }
        for arm in ("ours", "trl")
    ]
    return [
        "## Instruction tuning beside trl",
        re.sub(r"\s+", " ", __doc__.split("\n\n")[1]).strip(),
        table(rows),
        f"{x['ratio']:.2f} times as many updates a second, mixed lengths; aim {AIM} {verdict(x['ratio'] >= AIM)}.",
    ]
