"""Our policy losses and advantages equal those of trl's trainers, on fixed completions."""

import pytest
import torch

from ftcourse.losses.policy import group_advantages, leave_one_out, policy_loss
from ftcourse.models.load import load_model

pytest.importorskip("trl")

LOSSES = ("grpo", "bnpo", "dr_grpo", "dapo")
MAX_TOKENS = 12


@pytest.fixture(scope="module")
def completions():
    "Six completions of unequal length after two prompts, in float64, with log-probabilities of three models."
    model = load_model("tiny-gpt")
    vocabulary = len(model.tokenizer)
    draw = torch.Generator().manual_seed(0)
    lengths = torch.tensor([3, 12, 7, 1, 9, 5])
    mask = torch.arange(MAX_TOKENS) < lengths[:, None]
    fixed = {
        "prompt_ids": torch.randint(3, vocabulary, (6, 4), generator=draw),
        "prompt_mask": torch.ones(6, 4, dtype=torch.long),
        "completion_ids": torch.randint(3, vocabulary, (6, MAX_TOKENS), generator=draw).where(mask, 0),
        "completion_mask": mask.long(),
        "advantages": torch.tensor([1.0, -0.5, -0.5, 0.3, 0.9, -1.2]),
        "num_items_in_batch": mask.sum(),
    }
    network = model.network.double().eval()
    ids = torch.cat([fixed["prompt_ids"], fixed["completion_ids"]], 1)
    attention = torch.cat([fixed["prompt_mask"], fixed["completion_mask"]], 1)

    def logps():
        logits = network(input_ids=ids, attention_mask=attention).logits[:, 3:-1]
        return logits.log_softmax(-1).gather(-1, fixed["completion_ids"][..., None])[..., 0]

    with torch.no_grad():
        now = logps()
    noise = lambda: torch.randn(now.shape, generator=draw, dtype=torch.float64)
    fixed["old_per_token_logps"] = now - 0.3 * noise()  # ratios on both sides of what is clipped
    fixed["ref_per_token_logps"] = now + 0.3 * noise()
    return network, fixed, mask, logps


@pytest.fixture(scope="module")
def trainer(completions, tmp_path_factory):
    "A function from options to a GRPOTrainer; the same one each time, since making it takes seconds."
    from datasets import Dataset
    from trl import GRPOConfig, GRPOTrainer

    network, *_ = completions
    args = GRPOConfig(
        str(tmp_path_factory.mktemp("trl")),
        use_cpu=True,
        bf16=False,
        report_to="none",
        per_device_train_batch_size=6,
        num_generations=3,
        max_completion_length=MAX_TOKENS,
    )
    made = GRPOTrainer(
        network,
        reward_funcs=lambda completions, **_: [0.0] * len(completions),
        args=args,
        train_dataset=Dataset.from_dict({"prompt": ["the"] * 6}),
        processing_class=load_model("tiny-gpt").tokenizer,
    )
    made.current_gradient_accumulation_steps = made.args.steps_per_generation = 1

    def asked(loss_type, beta, times_ratio=True, epsilon=0.2, epsilon_high=None, delta=None):
        made.loss_type, made.beta, made.args.delta = loss_type, beta, delta
        made.args.use_bias_correction_kl = times_ratio
        made.epsilon_low, made.epsilon_high = epsilon, epsilon if epsilon_high is None else epsilon_high
        network.train(False)
        return made

    return asked


def gradient(network, loss):
    network.zero_grad()
    loss.backward()
    return torch.cat([p.grad.flatten() for p in network.parameters()])


@pytest.mark.parametrize("kind", LOSSES)
@pytest.mark.parametrize(
    "beta, times_ratio, clip",
    [
        (0.0, True, {}),
        (0.2, True, {"epsilon": 0.1, "epsilon_high": 0.3, "delta": 1.5}),
        (0.2, False, {"epsilon_high": 0.28}),
    ],
)
def test_a_policy_loss_and_its_gradient_equal_trl(completions, trainer, kind, beta, times_ratio, clip):
    network, fixed, mask, logps = completions
    theirs = trainer(kind, beta, times_ratio, **clip)
    their_loss = theirs._compute_loss(network, dict(fixed))
    their_gradient = gradient(network, their_loss)
    total, count = policy_loss(
        logps(),
        fixed["advantages"].double(),
        mask,
        fixed["old_per_token_logps"],
        low=clip.get("epsilon", 0.2),
        high=clip.get("epsilon_high"),
        ceiling=clip.get("delta", float("inf")),
        reference=fixed["ref_per_token_logps"],
        beta=beta,
        kl_times_ratio=times_ratio,
        normalise=kind,
        max_tokens=MAX_TOKENS,
    )
    assert abs((total / count - their_loss).item()) < 1e-6
    ours = gradient(network, total / count)
    assert (ours - their_gradient).norm() < 1e-6 * their_gradient.norm()
    assert their_gradient.norm() > 1e-3


def test_the_first_loss_of_an_update_is_zero_or_nearly_and_its_gradient_is_not(completions, trainer):
    network, fixed, mask, logps = completions
    fixed = {k: v for k, v in fixed.items() if k != "old_per_token_logps"}
    fixed["advantages"] = group_advantages(torch.tensor([[1.0, 0.0, 3.0], [0.0, 2.0, 2.0]])).flatten()
    theirs = trainer("grpo", 0.0)._compute_loss(network, dict(fixed))
    total, count = policy_loss(logps(), fixed["advantages"].double(), mask, normalise="grpo")
    assert abs(theirs.item()) < 1e-6
    assert abs((total / count).item()) < 1e-6
    assert gradient(network, total / count).norm() > 1


def test_advantages_equal_trl():
    from trl.trainer.utils import nanstd

    rewards = torch.randn(4, 5, generator=torch.Generator().manual_seed(1))
    rewards[2] = 1.0
    # as in GRPOTrainer._generate_and_score_completions and RLOOTrainer's, trl 1.16
    grouped = rewards.mean(1, keepdim=True)
    theirs = (rewards - grouped) / (nanstd(rewards, dim=1)[:, None] + 1e-4)
    assert torch.allclose(group_advantages(rewards), theirs, atol=1e-6)
    others = (rewards.sum(1, keepdim=True) - rewards) / (rewards.shape[1] - 1)
    assert torch.allclose(leave_one_out(rewards), rewards - others, atol=1e-6)
    assert group_advantages(rewards)[2].abs().max() == 0
