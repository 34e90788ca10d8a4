#include <doctest/doctest.h>

#include "latent/session.h"
#include "tests/apps/checkpoint.h"
#include "tests/lib/core_support.h"
#include "tests/support/fixture.h"

using namespace tacit;
using namespace tacit::test;

namespace {

std::vector<float> floats(const Json& json) { return json.get<std::vector<float>>(); }

std::vector<float> floats(const at::Tensor& values) {
  const at::Tensor plain = values.contiguous();
  return {plain.const_data_ptr<float>(), plain.const_data_ptr<float>() + plain.numel()};
}

bool near(const std::vector<float>& a, const std::vector<float>& b, float tolerance = 1e-5f) {
  if (a.size() != b.size()) return false;
  for (size_t i = 0; i < a.size(); ++i) {
    if (!(std::abs(a[i] - b[i]) <= tolerance)) return false;
  }
  return true;
}

}  // namespace

TEST_CASE("score --json: logprobs and logits are those of the model, no tokenizer needed") {
  const ScratchFolder scratch;
  write_plain_checkpoint(scratch / "plain");
  const Finished result = run_tacit({"score", "--model", scratch / "plain", "--tokens", "1,2,3,7", "--json"});
  REQUIRE(result.code == 0);
  CHECK(result.err.empty());
  const Json json = Json::parse(result.out);
  CHECK(json.size() == 5);
  CHECK(json.at("dtype") == "fp32");
  CHECK(json.at("weights") == "dtype");
  CHECK(json.at("tokens") == Json({1, 2, 3, 7}));
  CHECK(json.at("logprobs")[0].is_null());

  Session session(load_model(scratch / "plain"), {.rows = 1, .capacity = 16});
  const at::Tensor log_TV = session.feed_for_logits({{1, 2, 3, 7}})[0].to(at::kDouble).log_softmax(-1);
  const std::vector<int64_t> tokens = {1, 2, 3, 7};
  REQUIRE(json.at("logprobs").size() == 4);
  for (int64_t t = 1; t < 4; ++t) {
    CHECK(json.at("logprobs")[t].get<double>() ==
          doctest::Approx(log_TV[t - 1][tokens[t]].item<double>()).epsilon(1e-6));
  }
  CHECK(near(floats(json.at("logits_last")), floats(session.logits_BV()[0])));
}

TEST_CASE("score --latents: the thoughts in the order fed back, the first the last hidden state after the final norm") {
  const ScratchFolder scratch;
  write_plain_checkpoint(scratch / "plain");
  const std::vector<std::string> base = {"score", "--model", scratch / "plain", "--tokens", "1,2,3", "--json"};
  std::vector<std::string> thinking = base;
  thinking.insert(thinking.end(), {"--latents", "4", "--method", "coconut"});
  const Finished with = run_tacit(thinking), without = run_tacit(base);
  REQUIRE(with.code == 0);
  REQUIRE(without.code == 0);
  const Json json = Json::parse(with.out);
  CHECK(json.at("logprobs") == Json::parse(without.out).at("logprobs"));
  REQUIRE(json.at("hidden").size() == 4);

  Session session(load_model(scratch / "plain"), {.rows = 1, .capacity = 16});
  session.prefill({{1, 2, 3}});
  for (const Json& hidden : json.at("hidden")) {
    const at::Tensor state_BD = session.hidden_BD();
    CHECK(near(floats(hidden), floats(state_BD[0])));
    session.feed_vectors(state_BD.unsqueeze(1));
  }
  CHECK(near(floats(json.at("logits_last")), floats(session.logits_BV()[0])));
}

TEST_CASE("score: a checkpoint with markers inserts none of them, and --text equals its tokens") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "model");
  const Finished text =
      run_tacit({"score", "--model", scratch / "model", "--text", "3 5 | [R] 3", "--latents", "2", "--json"});
  REQUIRE(text.code == 0);
  const Json json = Json::parse(text.out);
  CHECK(json.at("tokens") == Json({3, 5, kLabels, kLabels + 2, 3}));
  CHECK(json.at("hidden").size() == 2);
  const Finished tokens =
      run_tacit({"score", "--model", scratch / "model", "--tokens", "3,5,28,30,3", "--latents", "2", "--json"});
  CHECK(tokens.out == text.out);
  for (const std::string method : {"cot", "pause", "direct"}) {
    const Finished other = run_tacit(
        {"score", "--model", scratch / "model", "--tokens", "3,5", "--latents", "2", "--method", method, "--json"});
    CAPTURE(other.err);
    if (method == "direct") {
      CHECK(other.code == 1);
      CHECK(holds(other.err, "expected a method that thinks"));
      continue;
    }
    REQUIRE(other.code == 0);
    const size_t steps = Json::parse(other.out).at("hidden").size();
    CHECK((method == "pause" ? steps == 2 : steps >= 1 && steps <= 2));
  }
}

TEST_CASE(
    "score --latents: thoughts in parallel are the vectors that the last iteration was fed, with the method's "
    "weights") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "looped", "lotus");
  const std::vector<std::string> base = {"score", "--model", scratch / "looped", "--tokens", "1,2,3", "--json"};
  std::vector<std::string> thinking = base;
  thinking.insert(thinking.end(), {"--latents", "3"});
  const Finished lacking = run_tacit(thinking);
  CHECK(lacking.code == 1);
  CHECK(lacking.err.find("trained with 'latents'") != std::string::npos);

  const at::Tensor latents_KCD = at::arange(3 * 2 * 32, at::kFloat).view({3, 2, 32}).sin();
  save_method_weights(scratch / "looped", {{"latents", latents_KCD}});
  Json config = read_json(scratch / "looped" / "config.json", "test");
  config["tacit"]["options"] = {{"loops", 1}};
  write_file_atomic(scratch / "looped" / "config.json", config.dump(), "test");
  const Finished result = run_tacit(thinking);
  REQUIRE(result.code == 0);
  const Json json = Json::parse(result.out);
  REQUIRE(json.at("hidden").size() == 6);
  for (int64_t n = 0; n < 6; ++n) CHECK(near(floats(json.at("hidden")[n]), floats(latents_KCD.flatten(0, 1)[n])));
  Session session(load_model(scratch / "looped"), {.rows = 1, .capacity = 16});
  session.prefill({{1, 2, 3}});
  session.feed_vectors(latents_KCD.flatten(0, 1).unsqueeze(0));
  CHECK(near(floats(json.at("logits_last")), floats(session.logits_BV()[0])));
}

TEST_CASE("score --recurrences: how long a model thinks in depth") {
  for (const std::string name : {"universal", "huginn", "trm"}) {
    INFO(name);
    const Finished result =
        run_tacit({"score", "--model", fixture(name), "--tokens", "3,17,4", "--recurrences", "2", "--json"});
    REQUIRE(result.code == 0);
    const Json json = Json::parse(result.out);
    Session session(load_model(fixture(name)), {.rows = 1, .capacity = 8, .recurrences = 2});
    session.prefill({{3, 17, 4}});
    CHECK(near(floats(json.at("logits_last")), floats(session.logits_BV()[0])));
    REQUIRE(json.at("logprobs").size() == 3);
    CHECK(json.at("logprobs")[1].is_null() == (name == "trm"));  // which sees the token that it would predict
  }
  const Finished refused =
      run_tacit({"score", "--model", fixture("llama"), "--tokens", "3,17,4", "--recurrences", "2", "--json"});
  CHECK(refused.code == 2);
  CHECK(holds(refused.err, "without recurrent depth but got 2"));
  const Finished thinking = run_tacit({"score", "--model", fixture("trm"), "--tokens", "3,17,4", "--latents", "1"});
  CHECK(thinking.code == 1);
  CHECK(holds(thinking.err, "expected no --latents for a trm model, which reads its input at once"));
  CHECK(holds(run_tacit({"score", "--model", fixture("trm"), "--tokens", "3,17,4"}).out, "\nlast position, by logit:"));
}

TEST_CASE("score: weights that are not numbers give an error, not a score") {
  const ScratchFolder scratch;
  const auto good = tiny_model();
  for (const char* name : {"unembedding", "layers.0.query.weight"}) {
    std::map<std::string, at::Tensor> weights = good->weights();
    weights.at(name) = weights.at(name).clone();
    weights.at(name)[7][0] = NAN;
    save_model(scratch / "broken", Transformer(good->config(), std::move(weights)), tiny_config());
    for (const bool json : {false, true}) {
      std::vector<std::string> args = {"score", "--model", scratch / "broken", "--tokens", "1,2,3"};
      if (json) args.push_back("--json");
      const Finished result = run_tacit(args);
      CAPTURE(result.err);
      CHECK(result.code == 1);
      CHECK(holds(result.err, "[score] expected finite "));
      CHECK(result.out.empty());
    }
  }
}

TEST_CASE("score: what cannot be scored gives one line and exit 1 or 2") {
  const ScratchFolder scratch;
  write_plain_checkpoint(scratch / "plain");
  std::string many = "1";
  for (int i = 0; i < 64; ++i) many += ",1";
  struct Case {
    std::vector<std::string> args;
    int code;
    std::string message;
  };
  const std::vector<Case> cases = {
      {{"--tokens", "1,2"}, 2, "expected option '--model'"},
      {{"--model", scratch / "plain"}, 2, "expected either '--tokens' or '--text'"},
      {{"--model", scratch / "plain", "--tokens", "1", "--text", "a"}, 2, "expected either '--tokens' or '--text'"},
      {{"--model", scratch / "plain", "--tokens", "1,x"},
       2,
       "expected numbers separated by commas for '--tokens' but got '1,x'"},
      {{"--model", scratch / "plain", "--tokens", "1,,2"}, 2, "expected numbers separated by commas"},
      {{"--model", scratch / "plain", "--tokens", "1", "--dtype", "fp8"},
       2,
       "expected fp32|bf16|fp16 for '--dtype' but got 'fp8'"},
      {{"--model", scratch / "plain", "--tokens", "1", "--device", "tpu"}, 2, "expected cpu, cuda or cuda:N"},
      {{"--model", scratch / "plain", "--tokens", "1", "--latents", "-2"}, 2, "expected at least 0 for '--latents'"},
      {{"--model", scratch / "plain", "--tokens", "1,20"}, 1, "expected token ids of 0 to 19 but got 20"},
      {{"--model", scratch / "plain", "--tokens", many}, 1, "expected at most 64 tokens and thoughts"},
      {{"--model", scratch / "plain", "--tokens", "1,2", "--latents", "63", "--method", "coconut"},
       1,
       "but got 2 + 63"},
      {{"--model", scratch / "plain", "--tokens", "1", "--latents", "1", "--method", "coconot"},
       2,
       "did you mean 'coconut'?"},
      {{"--model", scratch / "plain", "--tokens", "1", "--latents", "1"}, 1, "--method"},
      {{"--model", scratch / "plain", "--text", "a"}, 1, "tokenizer"},
      {{"--model", scratch / "nowhere", "--tokens", "1"}, 1, "nowhere"},
  };
  for (const Case& c : cases) {
    std::vector<std::string> args = {"score", "--json"};
    args.insert(args.end(), c.args.begin(), c.args.end());
    const Finished result = run_tacit(args);
    CAPTURE(c.message);
    CAPTURE(result.err);
    CHECK(result.code == c.code);
    CHECK(holds(result.err, c.message));
    CHECK(result.err.starts_with("tacit: ["));
    CHECK(std::count(result.err.begin(), result.err.end(), '\n') == 1);
    CHECK(result.out.empty());
  }
}
