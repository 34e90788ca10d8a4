// Against Hugging Face transformers; tests/parity/make_fixtures.py writes the fixtures.
#include <doctest/doctest.h>
#include <torch/csrc/autograd/autograd.h>

#include "decoding/decode.h"
#include "latent/objective.h"
#include "latent/session.h"
#include "lib/model/checkpoint.h"
#include "lib/model/family.h"
#include "tests/support/fixture.h"

using namespace tacit;

namespace {

at::Tensor tensor(const Json& rows) {
  if (!rows[0].is_array()) return at::tensor(rows.get<std::vector<float>>());
  std::vector<at::Tensor> parts;
  for (const Json& row : rows) parts.push_back(tensor(row));
  return at::stack(parts);
}

bool has_no_gradient(const Json& expected, const std::string& name) {
  if (!expected.contains("no_gradient")) return false;
  return std::ranges::find(expected["no_gradient"], Json(name)) != expected["no_gradient"].end();
}

struct Parity {
  std::string name;
  std::shared_ptr<const Transformer> model;
  Json expected;
  std::vector<int64_t> prompt;
};

std::vector<Parity> all(at::ScalarType dtype = at::kFloat) {
  std::vector<Parity> out;
  for (const std::string name : {
           "gpt2",         "llama",        "llama_scaled", "gpt_neox",         "gpt_neox_serial", "qwen2",
           "qwen2_window", "qwen3",        "mixtral",      "mixtral_window",   "deepseek_v3",     "deepseek_v3_plain",
           "rwkv7",        "tacit_window", "tacit_rwkv7",  "tacit_log_linear", "universal",       "ouro",
           "huginn",
       }) {
    const Json expected = read_json(test::fixture(name) / "expected.json", "test");
    out.push_back({name, load_model(test::fixture(name), {.dtype = dtype}), expected,
                   expected["prompt"].get<std::vector<int64_t>>()});
  }
  return out;
}

}  // namespace

TEST_CASE("prompt logits, thoughts, the logits after them and greedy text are the reference's") {
  for (const Parity& p : all()) {
    INFO(p.name);
    Session session(p.model, {.rows = 1, .capacity = 32});
    CHECK(test::relative_error(session.feed_for_logits({p.prompt})[0], tensor(p.expected["logits"])) < 1e-4);
    Session greedy = session.fork({0});
    CHECK(decode(greedy, {.max_tokens = 12})[0].tokens == p.expected["greedy"].get<std::vector<int64_t>>());
    const Thoughts thoughts = session.think({.max_steps = 4, .keep_trace = true});
    CHECK(test::relative_error(thoughts.trace_BKD[0], tensor(p.expected["thoughts"])) < 1e-4);
    CHECK(test::relative_error(session.logits_BV()[0], tensor(p.expected["logits_after"])) < 1e-4);
  }
}

TEST_CASE("token by token the logits are the reference's") {
  for (const Parity& p : all()) {
    INFO(p.name);
    const at::Tensor expected = tensor(p.expected["logits"]);
    Session session(p.model, {.rows = 1, .capacity = 32});
    for (size_t t = 0; t < p.prompt.size(); ++t) {
      session.feed({p.prompt[t]});
      CHECK(test::relative_error(session.logits_BV()[0], expected[static_cast<int64_t>(t)]) < 1e-4);
    }
  }
}

TEST_CASE("a ragged batch gives every row what it gets alone, thoughts included") {
  constexpr double most = 5e-4;  // sums in another order, amplified by thoughts through weights this large
  for (const Parity& p : all()) {
    INFO(p.name);
    const TokenRows prompts = {p.prompt, {p.prompt[1]}, {p.prompt.begin() + 2, p.prompt.end()}};
    Session together(p.model, {.rows = std::ssize(prompts), .capacity = 32});
    together.prefill(prompts);
    const Thoughts thoughts = together.think({.max_steps = 3, .keep_trace = true});
    together.feed(TokenRows{{5}, {6, 2, 9}, {}});
    for (size_t b = 0; b < prompts.size(); ++b) {
      Session alone(p.model, {.rows = 1, .capacity = 32});
      alone.prefill({prompts[b]});
      CHECK(test::relative_error(thoughts.trace_BKD[b],
                                 alone.think({.max_steps = 3, .keep_trace = true}).trace_BKD[0]) < most);
      if (b == 0) alone.feed({5});
      if (b == 1) alone.feed({6, 2, 9});
      CHECK(test::relative_error(together.logits_BV()[b], alone.logits_BV()[0]) < most);
    }
  }
}

TEST_CASE("bf16 stays within its row of the tolerance table") {
  for (const Parity& p : all(at::kBFloat16)) {
    INFO(p.name);
    Session session(p.model, {.rows = 1, .capacity = 32});
    // 8 bits of mantissa, some ten roundings deep; thirty in universal, whose stack runs three times with no norm
    // between. Routed and without normalised weights, deepseek_v3_plain is the most sensitive: transformers in bf16 is
    // as far from itself in fp32 over random prompts (median 0.032; 0.040 with keys and values absorbed as here).
    const double tolerance = p.name == "universal" || p.name == "deepseek_v3_plain" ? 0.06 : 0.04;
    CHECK(test::relative_error(session.feed_for_logits({p.prompt})[0], tensor(p.expected["logits"])) < tolerance);
  }
}

TEST_CASE("the loss and every parameter's gradient are the reference's") {
  for (const Parity& p : all()) {
    INFO(p.name);
    const auto model = trainable_copy(*p.model);
    TrainingRow row{.prompt = {p.prompt[0]}, .rest = {p.prompt.begin() + 1, p.prompt.end()}};
    row.rest_trained.assign(row.rest.size(), 1);
    const LatentLoss loss = latent_loss(*model, {row});
    CHECK(loss.tokens == doctest::Approx(p.expected["loss"].get<double>()).epsilon(1e-5));
    loss.total.backward();
    const Family& f = family(model->config().family);
    int64_t compared = 0;
    for (const FileTensor& entry : f.files(model->config())) {
      if (has_no_gradient(p.expected, entry.name)) {
        for (const std::string& slot : entry.slots) CHECK(!model->weights().at(slot).grad().defined());
        continue;
      }
      std::vector<at::Tensor> parts;
      for (const std::string& slot : entry.slots) {
        const at::Tensor& weight = model->weights().at(slot);
        // None: an expert that no token took; the reference has zeros.
        parts.push_back(weight.grad().defined() ? weight.grad() : at::zeros_like(weight));
      }
      at::Tensor gradient = at::cat(parts, 0);
      if (entry.transposed) gradient = gradient.t();
      std::string name = p.name == "gpt2" && entry.name != "lm_head.weight" ? "transformer." + entry.name : entry.name;
      INFO(name);
      const Json& expected = p.expected["gradients"].at(name);
      const double sum = expected[0], first = expected[1];
      CHECK(gradient.abs().sum().item<double>() == doctest::Approx(sum).epsilon(1e-4));
      CHECK(std::abs(gradient.contiguous().view(-1)[0].item<double>() - first) <=
            1e-4 * std::max(std::abs(first), sum / gradient.numel()));
      ++compared;
    }
    CHECK(compared == std::ssize(p.expected["gradients"]));
  }
}

TEST_CASE("a checkpoint written back holds the same bytes, tensor for tensor") {
  const auto folder = std::filesystem::temp_directory_path() / "tacit_round_trip";
  for (const Parity& p : all()) {
    INFO(p.name);
    save_model(folder, *p.model, p.model->config().raw);
    const Safetensors before = read_safetensors(test::fixture(p.name) / "model.safetensors"),
                      after = read_safetensors(folder / "model.safetensors");
    CHECK(before.tensors.size() == after.tensors.size());
    for (const auto& [name, view] : after.tensors) {
      const std::string original = before.tensors.contains(name) ? name : "transformer." + name;
      REQUIRE(before.tensors.contains(original));
      const TensorView& other = before.tensors.at(original);
      CHECK(view.shape == other.shape);
      CHECK(std::ranges::equal(view.bytes, other.bytes));
    }
    std::filesystem::remove_all(folder);
  }
}
