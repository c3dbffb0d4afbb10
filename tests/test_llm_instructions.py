"""Instruction tuning beside trl and transformers: the same loss and gradient, and what each does with bad input."""

import warnings

import pytest
import torch
from datasets import Dataset

from ftcourse import load_task
from ftcourse.core.errors import CourseError
from ftcourse.data.batches import Batches
from ftcourse.data.encode.instructions import PLAIN_TEMPLATE, encode_instructions, prompt_ids
from ftcourse.data.packing import PackedBatches
from ftcourse.models.load import load_model
from ftcourse.tasks.instructions import packed_logits

trl = pytest.importorskip("trl")

ROWS = [
    {"prompt": "Write about the inn. Be happy.", "completion": "The lobby was cosy."},
    {"prompt": "Say it.", "completion": "We left happy."},
    {"prompt": "Where is the mill? The mill stands in Ghent.", "completion": "Ghent"},
]
TALK = [{"role": "user", "content": "Say the day."}, {"role": "assistant", "content": "Monday"}]


@pytest.fixture
def model():
    "tiny-gpt in 64 bits without dropout, with a chat template."
    found = load_model("tiny-gpt").copy()
    found.network.double().eval()
    found.tokenizer.chat_template = PLAIN_TEMPLATE
    return found


def messages(row):
    "A row as trl takes conversations."
    return {
        "prompt": [{"role": "user", "content": row["prompt"]}],
        "completion": [{"role": "assistant", "content": row["completion"]}],
    }


def trainer(model, rows, folder, **options):
    "trl's trainer on some rows, on a CPU."
    config = trl.SFTConfig(
        output_dir=str(folder),
        use_cpu=True,
        bf16=False,
        report_to=[],
        max_steps=1,
        eos_token="</s>",
        **{"max_length": 128, **options},
    )
    data = Dataset.from_list(rows)
    found = trl.SFTTrainer(model=model.network, args=config, train_dataset=data, processing_class=model.tokenizer)
    model.network.eval()
    return found


def encoded(rows, tokenizer, supervise="completion", max_length=128):
    "The same rows as ours."
    task = load_task(rows, kind="instructions", split="train")
    return encode_instructions(task, "train", tokenizer, max_length, supervise)


def gradients(network, loss):
    "The gradient of each parameter."
    network.zero_grad()
    loss.backward()
    return {name: p.grad.clone() for name, p in network.named_parameters()}


@pytest.mark.parametrize("supervise", ["completion", "all"])
def test_loss_and_gradient_are_those_of_trl(model, tmp_path, supervise):
    theirs = trainer(model, [*map(messages, ROWS)], tmp_path, completion_only_loss=supervise == "completion")
    given = theirs.data_collator([theirs.train_dataset[i] for i in range(3)])
    loss = theirs.compute_loss(model.network, dict(given))
    their_gradients = gradients(model.network, loss)
    batch = Batches(encoded(ROWS, model.tokenizer, supervise), 3, shuffle=False, buckets=False).batch([0, 1, 2])
    assert torch.equal(batch.ids[batch.mask], given["input_ids"][given["attention_mask"].bool()])
    assert torch.equal(batch.supervised, given["labels"] != -100)
    total, count = model.loss(batch)
    assert abs((total / count).item() - loss.item()) <= 1e-6
    mine = gradients(model.network, total / count)
    size = torch.cat([g.flatten() for g in mine.values()]).norm()  # transformers takes the loss in 32 bits
    assert torch.cat([(mine[n] - g).flatten() for n, g in their_gradients.items()]).norm() <= 1e-6 * size


def test_trainer_divides_the_loss_of_gpt2_by_first_labels_too(model, tmp_path):
    theirs = trainer(model, [*map(messages, ROWS)], tmp_path, completion_only_loss=False)
    given = theirs.data_collator([theirs.train_dataset[i] for i in range(3)])
    labels = (given["labels"] != -100).sum()
    batch = Batches(encoded(ROWS, model.tokenizer, "all"), 3, shuffle=False, buckets=False).batch([0, 1, 2])
    total, count = model.loss(batch)
    reported = theirs.compute_loss(model.network, dict(given), num_items_in_batch=labels)
    assert count == labels - 3  # each row's first token is foretold by nobody
    assert abs(reported.item() - (total / labels).item()) <= 1e-6 and reported.item() < (total / count).item() - 0.1


def test_a_template_without_generation_marks_teaches_nothing_in_transformers_and_all_here(model, tmp_path):
    marked = encoded(ROWS[:1], model.tokenizer)
    model.tokenizer.chat_template = PLAIN_TEMPLATE.replace("{% generation %}", "").replace("{% endgeneration %}", "")
    given = model.tokenizer.apply_chat_template(TALK, return_dict=True, return_assistant_tokens_mask=True)
    assert not any(given["assistant_masks"])
    with pytest.raises(Exception, match="generation"):
        trainer(model, [{"messages": TALK}], tmp_path, assistant_only_loss=True)
    assert encoded(ROWS[:1], model.tokenizer).supervised.tolist() == marked.supervised.tolist()


def test_a_template_that_cannot_begin_an_answer_is_said(model):
    model.tokenizer.chat_template = PLAIN_TEMPLATE.partition("{% if add_generation_prompt")[0]
    asked = model.tokenizer.apply_chat_template(TALK[:1], add_generation_prompt=True, tokenize=False)
    assert asked.endswith("Say the day.</s>")  # transformers says nothing
    with pytest.warns(UserWarning, match="has no mark that begins an answer: .* write 'assistant: ' itself"):
        encoded(ROWS, model.tokenizer)


def test_a_template_without_an_end_token_is_said(model):
    model.tokenizer.chat_template = PLAIN_TEMPLATE.replace(" + eos_token", "")
    with pytest.warns(UserWarning, match="writes no end token after an answer"):
        encoded(ROWS, model.tokenizer)


def test_a_rendered_chat_gets_a_second_beginning_token_in_transformers_and_none_here(model):
    from tokenizers.processors import TemplateProcessing

    tokenizer = model.tokenizer
    tokenizer.backend_tokenizer.post_processor = TemplateProcessing(single="<s> $A", special_tokens=[("<s>", 1)])
    text = tokenizer.apply_chat_template(TALK[:1], add_generation_prompt=True, tokenize=False)
    assert tokenizer(text).input_ids[:2] == [1, 1]
    assert prompt_ids(TALK[:1], tokenizer)[:2] == [1, tokenizer.convert_tokens_to_ids("us")]
    tokenizer.chat_template = "{{ bos_token }}" + PLAIN_TEMPLATE
    with pytest.warns(UserWarning, match="writes <s> twice at the beginning"):
        encoded(ROWS, tokenizer)
    tokenizer.chat_template = "{# mine #}" + PLAIN_TEMPLATE
    rendered = [{"prompt": "<s>user: Say it.</s>", "completion": "Yes"}]
    with pytest.raises(CourseError, match=r"row 0 .*holds </s>, <s>, which the chat template writes itself"):
        encoded(rendered, tokenizer)


def test_a_space_at_the_end_of_a_prompt_is_read_otherwise_when_asked_in_trl_and_is_stripped_or_said_here(
    model, tmp_path
):
    model.tokenizer.chat_template = None
    theirs = trainer(model, [{"prompt": "Say it: ", "completion": "We left happy."}], tmp_path)
    learned = theirs.train_dataset[0]["input_ids"]
    asked = model.tokenizer("Say it: ").input_ids
    assert learned[: len(asked)] != asked  # asked, the model reads a space that it never read in training
    spaced = [{**r, "prompt": r["prompt"] + " "} for r in ROWS]
    assert encoded(spaced, model.tokenizer).ids.tolist() == encoded(ROWS, model.tokenizer).ids.tolist()
    end = "{% if m['role'] == 'assistant' %}{{ eos_token }}{% endif %}"
    model.tokenizer.chat_template = f"{{% for m in messages %}}{{{{ m['content'] }}}}{end}{{% endfor %}}"
    with pytest.warns(UserWarning, match="3 of 3 rows .* have a prompt that ends inside a token"):
        encoded(spaced, model.tokenizer)


def test_a_prompt_that_fills_the_length_vanishes_in_trl_and_is_refused_here(model, tmp_path):
    theirs = trainer(model, [*map(messages, ROWS)], tmp_path, max_length=20, completion_only_loss=True)
    assert len(theirs.train_dataset) < 3
    with pytest.raises(CourseError, match=r"row 2 \(line 2\): its prompt alone has .* max_length=20 leaves no room"):
        encoded(ROWS, model.tokenizer, max_length=20)


def test_packed_rows_see_only_themselves_here_and_their_neighbours_in_transformers(model):
    rows = encoded(ROWS, model.tokenizer, "all")
    (batch,) = PackedBatches(rows, 1, 128)
    apart = batch.apart()
    alone = model.network(input_ids=apart.ids, attention_mask=apart.mask.long()).logits[apart.mask]
    assert (packed_logits(model, batch)[batch.mask] - alone).abs().max() <= 1e-6
    restarting = dict(input_ids=batch.ids, position_ids=batch.positions)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        isolated = model.network(**restarting, use_cache=False).logits[batch.mask]
        cached = model.network(**restarting).logits[batch.mask]
    assert (isolated - alone).abs().max() <= 1e-6
    assert (cached - alone).abs().max() > 0.01  # the same call, but for use_cache
