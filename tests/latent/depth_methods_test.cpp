// Training of methods universal, huginn, ouro and trm: their losses and gradients against plain re-statements.
#include <ATen/Parallel.h>
#include <ATen/core/grad_mode.h>
#include <doctest/doctest.h>

#include <cmath>

#include "latent/depth_loss.h"
#include "latent/method.h"
#include "latent/session.h"
#include "lib/core/rng.h"
#include "lib/memory/training_memory.h"
#include "lib/model/checkpoint.h"
#include "lib/model/initial_state.h"
#include "lib/model/memory_layout.h"
#include "lib/model/slots.h"
#include "tests/lib/core_support.h"
#include "tests/support/depth_models.h"
#include "tests/support/fixture.h"
#include "tests/support/tiny_model.h"

using namespace tacit;
using namespace tacit::test;

namespace {

ModelConfig method_config(const Json& json) { return model_config_from_json(json, "test.json"); }

std::shared_ptr<Transformer> method_model(const Json& json) {
  at::set_num_threads(1);
  auto weights = random_weights(method_config(json), 1, /*matched_attention=*/false);
  // Gates that do not all say the same.
  if (weights.contains("exit_gate.weight")) {
    const at::Tensor old = weights["exit_gate.weight"];
    weights["exit_gate.weight"] = at::linspace(-1, 1, old.numel()).view(old.sizes());
    weights["exit_gate.bias"] = at::zeros(weights["exit_gate.bias"].sizes());
  }
  return trainable_copy(Transformer(method_config(json), weights));
}

const std::vector<TrainingRow> kRows = {{.prompt = {1, 2, 3, 4}, .rest = {5, 6, 7}, .rest_trained = {0, 1, 1}},
                                        {.prompt = {8}, .rest = {5, 9, 7}, .rest_trained = {0, 1, 1}},
                                        {.prompt = {10, 3}, .rest = {5, 11}, .rest_trained = {0, 1}}};
// A grid's: one token after the marker.
const std::vector<TrainingRow> kGridRows = {{.prompt = {1, 2, 3, 4}, .rest = {5, 6}, .rest_trained = {0, 1}},
                                            {.prompt = {8}, .rest = {5, 9}, .rest_trained = {0, 1}},
                                            {.prompt = {10, 3}, .rest = {5, 11}, .rest_trained = {0, 1}}};

std::vector<int64_t> read_tokens(const TrainingRow& row) {
  std::vector<int64_t> out = row.prompt;
  out.insert(out.end(), row.rest.begin(), row.rest.end() - 1);
  return out;
}

LatentLoss loss_of(const std::string& name, const Transformer& model, const std::vector<TrainingRow>& rows,
                   const Json& options = Json::object(), uint64_t seed = 3, bool training = true) {
  const Method& how = method(name);
  MethodSettings settings;
  settings.method = name;
  settings.options = method_options(how, options, "test");
  const auto tokenizer = make_word_tokenizer({"a", "b"});
  const ObjectiveContext context{settings, *tokenizer, 0, 0, seed};
  const std::vector<Example> examples(rows.size());
  return how.loss({model, kNoMethodWeights, rows, examples, context, {}, training});
}

std::map<std::string, at::Tensor> gradients(const Transformer& model, const at::Tensor& loss) {
  for (const auto& [name, weight] : model.weights()) weight.mutable_grad() = at::Tensor();
  loss.backward();
  std::map<std::string, at::Tensor> out;
  for (const auto& [name, weight] : model.weights()) {
    if (weight.grad().defined()) out[name] = weight.grad().clone();
  }
  return out;
}

void check_same_gradients(const std::map<std::string, at::Tensor>& got,
                          const std::map<std::string, at::Tensor>& expected) {
  double largest = 0;
  for (const auto& [name, gradient] : expected) largest = std::max(largest, gradient.abs().max().item<double>());
  REQUIRE(largest > 1e-4);
  for (const auto& [name, gradient] : expected) {
    CAPTURE(name);
    REQUIRE(got.contains(name));
    CHECK((got.at(name) - gradient).abs().max().item<double>() < 1e-4 * largest);
  }
  for (const auto& [name, gradient] : got) {
    CAPTURE(name);
    CHECK((expected.contains(name) || gradient.abs().max().item<double>() == 0));
  }
}

TrainingMemory memory_of(const Transformer& model, int64_t recurrences = 1) {
  const std::vector<int64_t> no_padding = {0};
  return TrainingMemory(memory_layout(model.config(), recurrences), no_padding, model.device());
}

at::Tensor embedded_tokens(const Transformer& model, const std::vector<int64_t>& tokens) {
  return model.embed(at::tensor(tokens, at::kLong).unsqueeze(0));
}

// Sum of the cross entropies of a row's trained tokens, from hidden states before the final norm [1, T, D].
at::Tensor row_loss(const Transformer& model, const at::Tensor& hidden_1TD, const TrainingRow& row) {
  const at::Tensor log_TV = at::log_softmax(model.logits(model.final_norm(hidden_1TD))[0], -1);
  at::Tensor sum = at::zeros({});
  for (size_t t = 0; t < row.rest.size(); ++t) {
    if (row.rest_trained[t]) sum = sum - log_TV[static_cast<int64_t>(row.prompt.size() + t) - 1][row.rest[t]];
  }
  return sum;
}

constexpr double kTrained = 5;  // tokens of kRows

// The stack r times, each pass with a memory of its own, gradient in the last `last` of them; 0 = all.
at::Tensor looped_loss(const Transformer& base, int64_t r, int64_t last) {
  at::Tensor sum = at::zeros({});
  for (const TrainingRow& row : kRows) {
    at::Tensor x_1TD = embedded_tokens(base, read_tokens(row));
    for (int64_t i = 0; i < r; ++i) {
      TrainingMemory memory = memory_of(base);
      const at::AutoGradMode mode(last == 0 || i >= r - last);
      if (last > 0 && i == r - last) x_1TD = x_1TD.detach();
      x_1TD = base.forward(x_1TD, memory.open(x_1TD.size(1)), memory);
    }
    sum = sum + row_loss(base, x_1TD, row);
  }
  return sum / kTrained;
}

// Huginn's own blocks, put together again.
at::Tensor huginn_loss(const Transformer& model, int64_t r, int64_t last) {
  const ModelConfig& c = model.config();
  std::vector<Block> blocks;
  for (int64_t i = 0; i < c.layers; ++i) {
    blocks.emplace_back(c, i, [&](const std::string& name, const std::vector<int64_t>&) {
      return model.weights().at(slots::in_layer(i, name));
    });
  }
  at::Tensor sum = at::zeros({});
  for (const TrainingRow& row : kRows) {
    TrainingMemory memory = memory_of(model, r);
    const at::Tensor x_1TD = embedded_tokens(model, read_tokens(row));
    const at::Tensor position_1T = memory.open(x_1TD.size(1));
    Pass pass{.memory = memory, .position_BT = position_1T};
    pass.cos_PE = model.cos_PE(), pass.sin_PE = model.sin_PE();
    pass.cos_B1TE = at::embedding(model.cos_PE(), position_1T).unsqueeze(1);
    pass.sin_B1TE = at::embedding(model.sin_PE(), position_1T).unsqueeze(1);
    int64_t place = 0;
    const at::Tensor injected_1TD = blocks[0](x_1TD, place++, pass);
    at::Tensor state_1TD = initial_state(position_1T, c.hidden_size, c.depth.state_deviation, at::kFloat);
    for (int64_t i = 0; i < r; ++i) {
      const at::AutoGradMode mode(i >= r - last);
      state_1TD = at::linear(at::cat({state_1TD, injected_1TD}, -1), model.weights().at("adapter.weight"));
      for (int64_t b = 1; b <= 2; ++b) state_1TD = blocks[b](state_1TD, place++, pass);
    }
    sum = sum + row_loss(model, blocks[3](model.final_norm(state_1TD), place++, pass), row);
  }
  return sum / kTrained;
}

}  // namespace

TEST_CASE("universal at one recurrence has the plain decoder's loss, at more that of the stack run again") {
  for (const Json& base_json : {llama_json(), tiny_config()}) {
    Json json = base_json;
    json.update({{"model_type", "universal"}, {"base_model_type", base_json["model_type"]}, {"recurrences", 3}});
    const auto model = method_model(json);
    const Transformer base(method_config(base_json), model->weights());
    const LatentLoss once = loss_of("universal", *model, kRows, {{"mean_recurrences", 1}});
    const LatentLoss plain = latent_loss(base, kRows);
    CHECK(once.tokens == doctest::Approx(plain.tokens).epsilon(1e-5));
    CHECK(once.accuracy == doctest::Approx(plain.accuracy));
    CHECK(once.positions == plain.positions);
    check_same_gradients(gradients(*model, once.total), gradients(*model, plain.total));
    const LatentLoss thrice = loss_of("universal", *model, kRows);
    CHECK(thrice.tokens == doctest::Approx(looped_loss(base, 3, 0).item<double>()).epsilon(1e-5));
    check_same_gradients(gradients(*model, thrice.total), gradients(*model, looped_loss(base, 3, 0)));
    for (const int64_t last : {1, 2}) {
      const LatentLoss cut = loss_of("universal", *model, kRows, {{"backprop", last}});
      CHECK(cut.tokens == doctest::Approx(thrice.tokens).epsilon(1e-6));
      check_same_gradients(gradients(*model, cut.total), gradients(*model, looped_loss(base, 3, last)));
    }
  }
}

TEST_CASE("huginn's gradient comes from the last recurrences, and through the prelude that those read") {
  const auto model = method_model(huginn_json());
  for (const int64_t last : {1, 2, 8}) {
    const LatentLoss loss = loss_of("huginn", *model, kRows, {{"backprop", last}}, 3, /*training=*/false);
    CHECK(loss.figures == std::vector<std::pair<std::string, double>>{{"recurrences", 3}});
    const at::Tensor plain = huginn_loss(*model, 3, last);
    CHECK(loss.tokens == doctest::Approx(plain.item<double>()).epsilon(1e-5));
    check_same_gradients(gradients(*model, loss.total), gradients(*model, plain));
  }
}

TEST_CASE("the number of recurrences is drawn for a batch and the same again for the same batch") {
  const auto model = method_model(huginn_json());
  std::map<double, int> seen;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    const LatentLoss loss = loss_of("huginn", *model, kRows, Json::object(), seed);
    const double drawn = loss.figures.at(0).second;
    ++seen[drawn];
    CHECK(loss_of("huginn", *model, kRows, Json::object(), seed).tokens == loss.tokens);
    CHECK(loss.tokens ==
          doctest::Approx(huginn_loss(*model, static_cast<int64_t>(drawn), 8).item<double>()).epsilon(1e-5));
  }
  CHECK(seen.size() >= 4);
}

TEST_CASE("recurrences are log-normal Poisson: mean + 1, variance mean + mean^2 (exp(deviation^2) - 1)") {
  for (const double mean : {4.0, 40.0}) {
    for (const double deviation : {0.0, 0.5}) {
      Rng rng(5);
      constexpr int64_t count = 40000;
      double sum = 0, squares = 0;
      for (int64_t i = 0; i < count; ++i) {
        const auto drawn = static_cast<double>(drawn_recurrences(rng, mean, deviation));
        REQUIRE(drawn >= 1);
        sum += drawn;
        squares += drawn * drawn;
      }
      const double average = sum / count, variance = squares / count - average * average;
      CHECK(average == doctest::Approx(mean + 1).epsilon(0.01));
      CHECK(variance == doctest::Approx(mean + mean * mean * (std::exp(deviation * deviation) - 1)).epsilon(0.08));
    }
  }
}

TEST_CASE("ouro's loss is the expectation over exits less beta times their entropy, as numbers say it") {
  const auto model = method_model(ouro_json());
  const at::Tensor weight_D = model->weights().at("exit_gate.weight")[0], bias = model->weights().at("exit_gate.bias");
  constexpr int64_t R = 3;
  for (const double beta : {0.0, 0.3}) {
    double expected = 0, entropy = 0, mean_exit = 0;
    for (const TrainingRow& row : kRows) {
      const std::vector<int64_t> tokens = read_tokens(row);
      std::vector<at::Tensor> log_TV, gate_T;
      for (int64_t r = 1; r <= R; ++r) {  // a model of r recurrences for each exit
        const at::NoGradGuard no_grad;
        TrainingMemory memory = memory_of(*model, r);
        const at::Tensor x_1TD = embedded_tokens(*model, tokens);
        const at::Tensor normed_TD =
            model->final_norm(model->forward(x_1TD, memory.open(x_1TD.size(1)), memory, {.recurrences = r}))[0];
        log_TV.push_back(at::log_softmax(model->logits(normed_TD), -1));
        gate_T.push_back((at::mv(normed_TD, weight_D) + bias).sigmoid());
      }
      for (size_t t = 0; t < row.rest.size(); ++t) {
        if (!row.rest_trained[t]) continue;
        const auto at = static_cast<int64_t>(row.prompt.size() + t) - 1;
        double left = 1;
        for (int64_t r = 0; r < R; ++r) {
          const double p = r + 1 == R ? left : left * gate_T[r][at].item<double>();
          left -= p;
          expected -= p * log_TV[r][at][row.rest[t]].item<double>();
          entropy -= p * std::log(p);
          mean_exit += p * static_cast<double>(r + 1);
        }
      }
    }
    const LatentLoss loss = loss_of("ouro", *model, kRows, {{"beta", beta}});
    CHECK(loss.tokens == doctest::Approx(expected / kTrained).epsilon(1e-4));
    CHECK(loss.total.item<double>() == doctest::Approx((expected - beta * entropy) / kTrained).epsilon(1e-4));
    const std::map<std::string, double> figures(loss.figures.begin(), loss.figures.end());
    CHECK(figures.at("exit_entropy") == doctest::Approx(entropy / kTrained).epsilon(1e-4));
    CHECK(figures.at("mean_exit") == doctest::Approx(mean_exit / kTrained).epsilon(1e-4));
    CHECK(entropy / kTrained > 0.3);
    CHECK(gradients(*model, loss.total).contains("layers.0.query.weight"));
  }
}

TEST_CASE("entropy alone draws exits towards uniform") {
  const auto model = method_model(ouro_json());
  const at::Tensor bias = model->weights().at("exit_gate.bias");
  // A gate that always lets go: with beta large, the gradient must lower it.
  bias.mutable_grad() = at::Tensor();
  {
    const at::NoGradGuard no_grad;
    bias.fill_(4);
  }
  CHECK(gradients(*model, loss_of("ouro", *model, kRows, {{"beta", 100.0}}).total).at("exit_gate.bias").item<double>() >
        0);
  {
    const at::NoGradGuard no_grad;
    bias.fill_(-4);
  }
  CHECK(gradients(*model, loss_of("ouro", *model, kRows, {{"beta", 100.0}}).total).at("exit_gate.bias").item<double>() <
        0);
}

TEST_CASE("ouro's second stage trains the gate alone, towards going on where the last recurrence helped") {
  const auto model = method_model(ouro_json());
  const at::Tensor weight_D = model->weights().at("exit_gate.weight")[0], bias = model->weights().at("exit_gate.bias");
  constexpr double k = 20, gamma = 0.01;
  double sum = 0;
  for (const TrainingRow& row : kRows) {
    const std::vector<int64_t> tokens = read_tokens(row);
    std::vector<at::Tensor> log_TV, gate_T;
    for (int64_t r = 1; r <= 3; ++r) {
      const at::NoGradGuard no_grad;
      TrainingMemory memory = memory_of(*model, r);
      const at::Tensor x_1TD = embedded_tokens(*model, tokens);
      const at::Tensor normed_TD =
          model->final_norm(model->forward(x_1TD, memory.open(x_1TD.size(1)), memory, {.recurrences = r}))[0];
      log_TV.push_back(at::log_softmax(model->logits(normed_TD), -1));
      gate_T.push_back((at::mv(normed_TD, weight_D) + bias).sigmoid());
    }
    for (size_t t = 0; t < row.rest.size(); ++t) {
      if (!row.rest_trained[t]) continue;
      const auto at = static_cast<int64_t>(row.prompt.size() + t) - 1;
      for (int64_t r = 1; r < 3; ++r) {
        const double gain =
            std::max(0.0, log_TV[r][at][row.rest[t]].item<double>() - log_TV[r - 1][at][row.rest[t]].item<double>());
        const double goes_on = 1 / (1 + std::exp(-k * (gain - gamma))), leaves = gate_T[r][at].item<double>();
        sum -= goes_on * std::log(1 - leaves) + (1 - goes_on) * std::log(leaves);
      }
    }
  }
  const LatentLoss loss = loss_of("ouro", *model, kRows, {{"stage", 2}, {"sharpness", k}, {"least_gain", gamma}});
  CHECK(loss.total.item<double>() == doctest::Approx(sum / kTrained / 3).epsilon(1e-4));
  for (const auto& [name, gradient] : gradients(*model, loss.total)) {
    CAPTURE(name);
    CHECK((name.starts_with("exit_gate.") || gradient.abs().max().item<double>() == 0));
  }
}

TEST_CASE("trm's loss is each step's cross entropy and halting loss, over the rows that have not halted") {
  const auto model = method_model(trm_json({{"halt_max_steps", 4}}));
  for (const bool halt : {false, true}) {
    double tokens = 0, halting = 0, count = 0, right = 0;
    std::vector<double> left(4, 0);
    for (const TrainingRow& row : kGridRows) {
      const at::NoGradGuard no_grad;
      bool active = true;
      for (int64_t step = 1; step <= 4 && active; ++step) {
        DepthTrace trace;
        TrainingMemory memory = memory_of(*model);
        const at::Tensor x_1TD = embedded_tokens(*model, read_tokens(row));
        const at::Tensor hidden_1TD =
            model->forward(x_1TD, memory.open(x_1TD.size(1)), memory, {.recurrences = step}, &trace);
        const at::Tensor log_V = at::log_softmax(model->logits(hidden_1TD)[0][-1], -1);
        const double leaves = 1 / (1 + std::exp(-trace.gate.back().item<double>()));
        const bool solved = log_V.argmax().item<int64_t>() == row.rest[1];
        tokens -= log_V[row.rest[1]].item<double>();
        halting -= std::log(solved ? leaves : 1 - leaves);
        right += solved && step == 4;
        ++count;
        ++left[step - 1];
        if (halt && leaves > 0.5) active = false;
      }
    }
    const LatentLoss loss = loss_of("trm", *model, kGridRows, {{"halt", halt}, {"exploration", 0.0}});
    CHECK(loss.tokens == doctest::Approx(tokens / count).epsilon(1e-4));
    CHECK(loss.total.item<double>() == doctest::Approx(tokens / count + 0.5 * halting / count).epsilon(1e-4));
    const std::map<std::string, double> figures(loss.figures.begin(), loss.figures.end());
    CHECK(figures.at("halt_loss") == doctest::Approx(halting / count).epsilon(1e-4));
    CHECK(figures.at("mean_steps") == doctest::Approx(count / 3));
    CHECK((count < 12) == halt);  // some rows do halt
    if (!halt) CHECK(loss.accuracy == doctest::Approx(right / 3));
    // Validation looks at every step of every row.
    if (halt) {
      const LatentLoss all = loss_of("trm", *model, kGridRows, {{"halt", true}}, 3, /*training=*/false);
      CHECK(all.tokens == doctest::Approx(loss_of("trm", *model, kGridRows, {{"halt", false}}).tokens));
    }
  }
}

TEST_CASE("trm's gradient is the sum of single steps', each from a state that is a constant") {
  const auto model = method_model(trm_json({{"halt_max_steps", 3}}));
  const LatentLoss loss = loss_of("trm", *model, kGridRows, {{"halt", false}, {"halt_weight", 0.7}});
  at::Tensor plain = at::zeros({});
  for (const TrainingRow& row : kGridRows) {
    for (int64_t step = 1; step <= 3; ++step) {
      DepthTrace trace;
      TrainingMemory memory = memory_of(*model);
      const at::Tensor x_1TD = embedded_tokens(*model, read_tokens(row));
      // Only this step's own last cycle has a path: the steps before leave none.
      const at::Tensor hidden_1TD =
          model->forward(x_1TD, memory.open(x_1TD.size(1)), memory, {.recurrences = step}, &trace);
      const at::Tensor log_V = at::log_softmax(model->logits(hidden_1TD)[0][-1], -1), gate = trace.gate.back()[0];
      const bool solved = log_V.argmax().item<int64_t>() == row.rest[1];
      plain = plain - log_V[row.rest[1]] - 0.7 * at::log_sigmoid(solved ? gate : -gate);
    }
  }
  const auto got = gradients(*model, loss.total);
  check_same_gradients(got, gradients(*model, plain / 9));
  CHECK(!got.contains("high_start"));
  CHECK(!got.contains("low_start"));
}

TEST_CASE("rows that explore may not halt before a step of their own") {
  const auto model = method_model(trm_json({{"halt_max_steps", 4}}));
  {
    const at::NoGradGuard no_grad;
    model->weights().at("exit_gate.bias").fill_(100);  // all would halt at once
  }
  const std::vector<TrainingRow> rows(60, kGridRows[0]);
  const auto steps = [&](double exploration) {
    const LatentLoss loss = loss_of("trm", *model, rows, {{"exploration", exploration}});
    return loss.figures.at(1).second;
  };
  CHECK(steps(0) == 1);
  CHECK(steps(1) > 2.5);  // 2 to 4, evenly
  CHECK(steps(1) < 3.5);
}

TEST_CASE("a method that thinks in depth refuses another kind of model and options out of bounds") {
  const auto llama = method_model(llama_json()), trm = method_model(trm_json());
  CHECK(holds(error_of([&] { loss_of("huginn", *llama, kRows); }), "[huginn] expected a model of family huginn_raven"));
  CHECK(holds(error_of([&] { loss_of("ouro", *trm, kRows); }), "[ouro] expected a model of family ouro"));
  CHECK(holds(error_of([&] { loss_of("trm", *llama, kGridRows); }), "[trm] expected a model of family trm"));
  CHECK(holds(error_of([&] { loss_of("universal", *llama, kRows); }),
              "[universal] expected a model whose blocks run again"));
  const auto refused = [](const char* name, const Json& options) {
    return error_of([&] { method_options(method(name), options, "test"); });
  };
  CHECK(holds(refused("huginn", {{"deviation", -1}}), "expected 'deviation' to be at least 0 but got -1"));
  CHECK(holds(refused("universal", {{"mean_recurrences", -1}}), "expected 'mean_recurrences' to be at least 0"));
  CHECK(holds(refused("ouro", {{"stage", 3}}), "expected 'stage' to be 1 or 2 but got 3"));
  CHECK(holds(refused("ouro", {{"exit_threshold", 2}}), "expected 'exit_threshold' to be at most 1"));
  CHECK(holds(refused("trm", {{"exploration", 2}}), "expected 'exploration' to lie in 0..1"));
  CHECK(holds(error_of([&] { pass_in_depth(*llama, {{.prompt = {1}, .rest = {2}, .rest_trained = {0}}}); }),
              "expected at least one trained token"));
}
