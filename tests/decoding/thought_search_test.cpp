#include "decoding/thought_search.h"

#include <ATen/ATen.h>
#include <doctest/doctest.h>

#include <algorithm>
#include <cmath>
#include <numeric>

#include "decoding/vote.h"
#include "tests/decoding/procedures.h"
#include "tests/lib/core_support.h"
#include "tests/support/tiny_model.h"

namespace tacit {
namespace {

using test::procedures;
using test::random_prompts;

using Model = std::shared_ptr<const Transformer>;

struct Path {
  std::vector<at::Tensor> inputs;
  Decoded answer;
  double value = 0;
};

Path answered(const Session& session, std::vector<at::Tensor> inputs, const Procedure& procedure, int64_t most) {
  Session end = session.fork({0});
  end.feed(procedure.answer_marker);
  Path path{std::move(inputs),
            decode(end, {.max_tokens = most, .stop_tokens = procedure.stop_tokens, .keep_log_probs = true})[0]};
  path.value = likelihood(path.answer.log_probs, Likelihood::mean);
  return path;
}

// Every path of a tree whose children are the own thought and the embeddings of the likeliest tokens, each in a session
// of its own.
void all_paths(const Model& model, const Session& session, const Procedure& procedure, int64_t steps, int64_t branch,
               std::vector<at::Tensor> inputs, std::vector<Path>& out) {
  if (std::ssize(inputs) == steps) {
    out.push_back(answered(session, inputs, procedure, 4));
    return;
  }
  std::vector<at::Tensor> children = {session.hidden_BD()[0]};
  const at::Tensor order = session.logits_BV()[0].argsort(-1, /*descending=*/true);
  for (int64_t j = 0; j + 1 < branch; ++j) children.push_back(model->embed(order.narrow(0, j, 1))[0]);
  for (const at::Tensor& child_D : children) {
    Session next = session.fork({0});
    next.feed_vectors(child_D.view({1, 1, -1}));
    std::vector<at::Tensor> longer = inputs;
    longer.push_back(child_D);
    all_paths(model, next, procedure, steps, branch, std::move(longer), out);
  }
}

Session prefilled(const Model& model, const std::vector<int64_t>& prompt) {
  Session session(model, {.rows = 1, .capacity = 128});
  session.prefill({prompt});
  return session;
}

TEST_CASE("a tree that keeps everything finds the best of all paths computed one by one") {
  const Model model = test::tiny_model();
  Procedure procedure = procedures().at("latent");
  procedure.think.max_steps = 3;
  procedure.think.halt = halt::never();
  for (const auto& prompt : random_prompts(5)) {
    std::vector<Path> paths;
    all_paths(model, prefilled(model, prompt), procedure, 3, 3, {}, paths);
    REQUIRE(paths.size() == 27);
    const Path& best = *std::ranges::max_element(paths, {}, &Path::value);
    const FoundThoughts found = search_thoughts(
        model, procedure, prompt, {.width = 27, .branch = 3, .expand = ThoughtSearchOptions::Expand::tokens}, 4);
    CHECK(found.value == doctest::Approx(best.value).epsilon(1e-4));
    CHECK(found.answer.tokens == best.answer.tokens);
    CHECK(at::allclose(found.thoughts.trace_BKD[0], at::stack(best.inputs), 0, 1e-4));
  }
}

// The same search, step by step, with sessions.
Path narrow_search(const Model& model, const Procedure& procedure, const std::vector<int64_t>& prompt, int64_t width,
                   int64_t branch) {
  std::vector<std::pair<Session, Path>> kept;
  kept.emplace_back(prefilled(model, prompt), Path{});
  for (int64_t step = 0; step < procedure.think.max_steps; ++step) {
    std::vector<std::pair<Session, Path>> children;
    for (const auto& [session, path] : kept) {
      const at::Tensor order = session.logits_BV()[0].argsort(-1, /*descending=*/true);
      for (int64_t j = 0; j < branch; ++j) {
        const at::Tensor child_D = j == 0 ? session.hidden_BD()[0] : model->embed(order.narrow(0, j - 1, 1))[0];
        Session next = session.fork({0});
        next.feed_vectors(child_D.view({1, 1, -1}));
        std::vector<at::Tensor> inputs = path.inputs;
        inputs.push_back(child_D);
        Path valued = answered(next, std::move(inputs), procedure, 4);
        children.emplace_back(std::move(next), std::move(valued));
      }
    }
    std::ranges::stable_sort(children, [](const auto& a, const auto& b) { return a.second.value > b.second.value; });
    if (std::ssize(children) > width) children.erase(children.begin() + width, children.end());
    kept = std::move(children);
  }
  return kept[0].second;
}

TEST_CASE("a narrow tree keeps after every step what path-by-path computation keeps") {
  const Model model = test::tiny_model();
  Procedure procedure = procedures().at("latent");
  procedure.think.max_steps = 4;
  procedure.think.halt = halt::never();
  for (const auto& [width, branch] : {std::pair<int64_t, int64_t>{1, 3}, {2, 2}, {3, 4}}) {
    for (const auto& prompt : random_prompts(4, 17)) {
      const Path expected = narrow_search(model, procedure, prompt, width, branch);
      const FoundThoughts found =
          search_thoughts(model, procedure, prompt,
                          {.width = width, .branch = branch, .expand = ThoughtSearchOptions::Expand::tokens}, 4);
      CHECK(found.answer.tokens == expected.answer.tokens);
      CHECK(found.value == doctest::Approx(expected.value).epsilon(1e-4));
      CHECK(at::allclose(found.thoughts.trace_BKD[0], at::stack(expected.inputs), 0, 1e-4));
    }
  }
}

TEST_CASE("a tree of one branch is plain thinking, whatever the halting rule") {
  const Model model = test::tiny_model();
  Procedure procedure = procedures().at("latent");
  for (const Halt& halt : {halt::fixed(2), halt::never(), halt::convergence(.9), halt::entropy(2.2)}) {
    CAPTURE(halt.name);
    procedure.think.halt = halt;
    procedure.think.max_steps = 6;
    for (const auto& prompt : random_prompts(5)) {
      Session session = prefilled(model, prompt);
      ThinkOptions think = procedure.think;
      think.keep_trace = true;
      const Thoughts thoughts = session.think(think);
      session.feed(procedure.answer_marker);
      const Decoded answer = decode(session, {.max_tokens = 4, .stop_tokens = procedure.stop_tokens})[0];
      const FoundThoughts found = search_thoughts(model, procedure, prompt, {.width = 1, .branch = 1}, 4);
      CHECK(found.thoughts.steps == thoughts.steps);
      CHECK(found.thoughts.halted == thoughts.halted);
      CHECK(found.answer.tokens == answer.tokens);
      CHECK(at::allclose(found.thoughts.trace_BKD, thoughts.trace_BKD.narrow(1, 0, thoughts.steps[0]), 0, 1e-4));
    }
  }
}

TEST_CASE("a noisy path is what a session gives that is fed it alone, and draws depend on seed and problem") {
  const Model model = test::tiny_model();
  const Procedure procedure = procedures().at("latent");
  const auto prompt = random_prompts(1)[0];
  const ThoughtSearchOptions options{.width = 3, .branch = 3, .noise = 1};
  const auto search = [&](uint64_t seed, int64_t id) {
    return search_thoughts(model, procedure, prompt, options, 4, 0, seed, id);
  };
  const FoundThoughts found = search(1, 2);
  Session session = prefilled(model, prompt);
  session.feed_vectors(found.thoughts.trace_BKD);
  const Path alone = answered(session, {}, procedure, 4);
  CHECK(alone.answer.tokens == found.answer.tokens);
  CHECK(alone.value == doctest::Approx(found.value).epsilon(1e-4));
  CHECK(at::equal(search(1, 2).thoughts.trace_BKD, found.thoughts.trace_BKD));
  bool other_seed = false, other_id = false;
  for (int64_t n = 3; n < 8; ++n) {
    other_seed = other_seed || !at::equal(search(n, 2).thoughts.trace_BKD, found.thoughts.trace_BKD);
    other_id = other_id || !at::equal(search(1, n).thoughts.trace_BKD, found.thoughts.trace_BKD);
  }
  CHECK(other_seed);
  CHECK(other_id);
}

TEST_CASE("thoughts are kept by entropy, or by whatever a caller values") {
  const Model model = test::tiny_model();
  Procedure procedure = procedures().at("latent");
  procedure.think.max_steps = 1;
  procedure.think.halt = halt::never();
  const auto prompt = random_prompts(1, 23)[0];
  std::vector<Path> paths;
  all_paths(model, prefilled(model, prompt), procedure, 1, 5, {}, paths);
  // Of the thoughts after one step: entropy of the readout, and the number that the callback below takes.
  std::vector<double> entropy, first;
  for (const Path& path : paths) {
    Session session = prefilled(model, prompt);
    session.feed_vectors(path.inputs[0].view({1, 1, -1}));
    const at::Tensor p_V = at::softmax(session.logits_BV()[0].to(at::kDouble), -1);
    entropy.push_back(-(p_V * p_V.log()).sum().item<double>());
    first.push_back(session.hidden_BD()[0][0].item<double>());
  }
  ThoughtSearchOptions options{.width = 2, .branch = 5, .expand = ThoughtSearchOptions::Expand::tokens};
  options.value = ThoughtSearchOptions::Value::entropy;
  const FoundThoughts surest = search_thoughts(model, procedure, prompt, options, 4);
  const auto least = std::ranges::min_element(entropy) - entropy.begin();
  CHECK(surest.value == doctest::Approx(-entropy[least]).epsilon(1e-4));
  CHECK(at::allclose(surest.thoughts.trace_BKD[0][0], paths[least].inputs[0], 0, 1e-4));
  CHECK(surest.answer.tokens == paths[least].answer.tokens);
  const ThoughtValue value = [](const ThoughtTree& tree, std::span<const int64_t> nodes) {
    std::vector<double> out;
    const at::Tensor hidden_ND = tree.hidden_ND(nodes);
    for (int64_t n = 0; n < hidden_ND.size(0); ++n) out.push_back(hidden_ND[n][0].item<double>());
    return out;
  };
  const FoundThoughts valued = search_thoughts(model, procedure, prompt, options, 4, 0, 0, 0, value);
  CHECK(valued.value == doctest::Approx(*std::ranges::max_element(first)).epsilon(1e-4));
  const ThoughtValue short_of = [](const ThoughtTree&, std::span<const int64_t>) { return std::vector<double>(); };
  CHECK(holds(error_of([&] { search_thoughts(model, procedure, prompt, options, 4, 0, 0, 0, short_of); }),
              "[search_thoughts] expected a value for each of 5 thoughts but got 0"));
}

TEST_CASE("a thought that is not finite is refused where a tree would grow by it") {
  const Model model = test::tiny_model();
  Procedure procedure = procedures().at("latent");
  procedure.think.feedback = test::breaking(0);
  const ThoughtSearchOptions options{.width = 2, .branch = 2};
  CHECK(holds(error_of([&] {
                search_thoughts(model, procedure, {1, 2}, options, 4);
              }),
              "[think] expected feedback 'breaks' to propose finite vectors but got nan for row 0 (id 0), thought 2"));
  procedure.think.halt = test::before_second();
  CHECK(search_thoughts(model, procedure, {1, 2}, options, 4).thoughts.steps == std::vector<int64_t>{1});
}

TEST_CASE("a search refuses what it cannot do") {
  const Model model = test::tiny_model();
  const auto error = [&](const char* name, const ThoughtSearchOptions& options) {
    Procedure procedure = procedures().at(name);
    procedure.in_words = std::string(name) == "words";
    return error_of([&] { search_thoughts(model, procedure, {1, 2}, options, 4); });
  };
  CHECK(holds(error("words", {}), "[search_thoughts] expected a method that takes one vector after the other"));
  CHECK(holds(error("parallel", {}), "one vector after the other"));
  CHECK(holds(error("latent", {.width = 0}), "width and branch of at least 1"));
  CHECK(holds(error("latent", {.width = 100, .branch = 3}), "at most 256"));
  CHECK(holds(error("latent", {.noise = -1}), "noise of at least 0"));
  CHECK(holds(error("latent", {.width = 1, .branch = 21, .expand = ThoughtSearchOptions::Expand::tokens}),
              "no more branches than tokens"));
}

}  // namespace
}  // namespace tacit
