#include "decoding/beam.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>

#include "lib/model/checkpoint.h"
#include "tests/lib/core_support.h"
#include "tests/support/fixture.h"
#include "tests/support/tiny_model.h"

namespace tacit {
namespace {

using Model = std::shared_ptr<const Transformer>;

Session behind(const Model& model, const std::vector<int64_t>& prompt) {
  Session session(model, {.rows = 1, .capacity = 32});
  session.prefill({prompt});
  return session;
}

TEST_CASE("beams are those of transformers' generate, with their scores") {
  const Json cases = read_json(test::fixture("decoding.json"), "test").at("beams");
  REQUIRE(cases.size() >= 16);
  CHECK(std::ranges::any_of(cases, [](const Json& one) { return one.at("stop").is_array(); }));
  for (const Json& one : cases) {
    CAPTURE(one.dump());
    const Model model = load_model(test::fixture(one.at("model").get<std::string>()));
    Session session = behind(model, one.at("prompt").get<std::vector<int64_t>>());
    StopTokens stop;
    if (one.at("stop").is_number()) stop = one.at("stop").get<int64_t>();
    if (one.at("stop").is_array()) stop = one.at("stop").get<std::vector<int64_t>>();
    const auto most = one.at("max_tokens").get<int64_t>(), width = one.at("width").get<int64_t>();
    const Json& expected = one.at("beams");
    if (width == 1) {  // greedy there
      CHECK(decode(session, {.max_tokens = most, .stop_tokens = stop})[0].tokens ==
            expected[0].at("tokens").get<std::vector<int64_t>>());
      continue;
    }
    const auto beams = beam_search(session, {width, one.at("length_penalty").get<double>()}, most, stop);
    REQUIRE(beams.size() == expected.size());
    for (size_t i = 0; i < beams.size(); ++i) {
      CAPTURE(i);
      CHECK(beams[i].tokens == expected[i].at("tokens").get<std::vector<int64_t>>());
      CHECK(beams[i].score == doctest::Approx(expected[i].at("score").get<double>()).epsilon(1e-4));
    }
  }
}

// Every text of at most `most` tokens, with its log-probability, by scoring it whole.
void enumerate(const Model& model, const std::vector<int64_t>& prompt, std::vector<int64_t>& text, int64_t most,
               int64_t stop, double log_prob, double penalty, std::vector<Beam>& out) {
  Session session(model, {.rows = 1, .capacity = 32});
  std::vector<int64_t> whole = prompt;
  whole.insert(whole.end(), text.begin(), text.end());
  const at::Tensor log_p_V = at::log_softmax(session.feed_for_logits({whole})[0][-1].to(at::kDouble), -1);
  const auto length = static_cast<double>(text.size() + 1);
  for (int64_t v = 0; v < log_p_V.size(0); ++v) {
    const double sum = log_prob + log_p_V[v].item<double>();
    const Beam beam{text, v == stop, sum, sum / std::pow(length, penalty)};
    if (v == stop) {
      out.push_back(beam);
      continue;
    }
    text.push_back(v);
    if (std::ssize(text) == most) {
      out.push_back({text, false, beam.log_prob, beam.score});
    } else {
      enumerate(model, prompt, text, most, stop, sum, penalty, out);
    }
    text.pop_back();
  }
}

TEST_CASE("a beam as wide as there are texts finds the best of all of them") {
  const Model model = test::tiny_model({.vocab_size = 4, .seed = 8});
  for (const double penalty : {0.0, 1.0, 2.0, -0.5}) {
    for (const std::vector<int64_t>& prompt : {std::vector<int64_t>{1, 2}, std::vector<int64_t>{3, 0, 1}}) {
      CAPTURE(penalty);
      std::vector<Beam> all;
      std::vector<int64_t> text;
      enumerate(model, prompt, text, 4, /*stop=*/2, 0, penalty, all);
      CHECK(all.size() == 1 + 3 + 9 + 27 + 81);
      std::ranges::sort(all, [](const Beam& a, const Beam& b) { return a.score > b.score; });
      const auto beams = beam_search(behind(model, prompt), {1000, penalty}, 4, 2);
      REQUIRE(beams.size() == all.size());
      for (size_t i = 0; i < all.size(); ++i) {
        CHECK(beams[i].score == doctest::Approx(all[i].score).epsilon(1e-4));
        CHECK(beams[i].log_prob == doctest::Approx(all[i].log_prob).epsilon(1e-4));
      }
      CHECK(beams[0].tokens == all[0].tokens);
      CHECK(beams[0].stopped == all[0].stopped);
    }
  }
}

TEST_CASE("beams leave the session as it was, and count what they run") {
  const Model model = test::tiny_model();
  Session session = behind(model, {1, 2, 3});
  const at::Tensor before = session.hidden_BD().clone();
  WorkDone work;
  beam_search(session, {.width = 3}, 4, {}, &work);
  CHECK(at::equal(session.hidden_BD(), before));
  CHECK(session.lengths() == std::vector<int64_t>{3});
  CHECK(work.fed == std::map<int64_t, int64_t>{{3, 3}, {4, 3}, {5, 3}});
  CHECK(work.readings == 1 + 3 + 3 + 3);
  const auto nothing = beam_search(session, {.width = 3}, 0, {});
  REQUIRE(nothing.size() == 1);
  CHECK(nothing[0].tokens.empty());
}

TEST_CASE("beam search refuses what it cannot do") {
  const Model model = test::tiny_model();
  Session two(model, {.rows = 2, .capacity = 16});
  two.prefill({{1}, {2}});
  CHECK(holds(error_of([&] { beam_search(two, {}, 4, {}); }), "[beam_search] expected a session of one row but got 2"));
  CHECK(holds(error_of([&] { beam_search(behind(model, {1}), {.width = 0}, 4, {}); }), "a width of at least 1"));
  CHECK(holds(error_of([&] { beam_search(behind(model, {1}), {4, NAN}, 4, {}); }), "finite length_penalty"));
}

}  // namespace
}  // namespace tacit
