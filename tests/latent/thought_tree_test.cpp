#include "latent/thought_tree.h"

#include <doctest/doctest.h>

#include <algorithm>

#include "lib/core/error.h"
#include "lib/core/rng.h"
#include "lib/model/checkpoint.h"
#include "tests/support/fixture.h"
#include "tests/support/tiny_model.h"

using namespace tacit;

namespace {

constexpr int64_t kNoParent = ThoughtTree::kNoParent;
using test::kFp32Near;

// The tokens from the root down to `node`.
std::vector<int64_t> path(const ThoughtTree& tree, const std::vector<int64_t>& tokens, int64_t node) {
  std::vector<int64_t> out;
  for (; node != kNoParent; node = tree.parents()[node]) out.push_back(tokens[node]);
  std::reverse(out.begin(), out.end());
  return out;
}

}  // namespace

TEST_CASE("every node of a random tree, fed in any pieces, is what a session gives its path alone") {
  for (const bool smeared : {true, false}) {
    const auto model = test::tiny_model({.smeared_keys = smeared});
    for (uint64_t seed = 0; seed < 6; ++seed) {
      Rng rng(seed);
      ThoughtTree tree(model, {.capacity = 40});
      std::vector<int64_t> tokens;
      while (tree.nodes() < 30) {
        std::vector<int64_t> piece, parents;
        for (int64_t i = rng.between(1, 10); i > 0; --i) {
          const int64_t before = std::ssize(tokens);
          parents.push_back(rng.below(8) == 0 ? kNoParent : rng.between(-1, before - 1));
          piece.push_back(rng.below(model->config().vocab_size));
          tokens.push_back(piece.back());
        }
        CHECK(tree.feed(piece, parents) == std::ssize(tokens) - std::ssize(piece));
      }
      for (int64_t node = 0; node < tree.nodes(); ++node) {
        const std::vector<int64_t> alone = path(tree, tokens, node);
        CHECK(tree.depths()[node] == std::ssize(alone) - 1);
        Session session(model, {.rows = 1, .capacity = 40});
        session.prefill({alone});
        const std::vector<int64_t> one = {node};
        CHECK(test::relative_error(tree.hidden_ND(one), session.hidden_BD()) < kFp32Near);
        CHECK(test::relative_error(tree.logits_NV(one), session.logits_BV()) < kFp32Near);
      }
    }
  }
}

TEST_CASE("branches that think as one batch think what each would alone, and stop where each would") {
  const auto model = test::tiny_model();
  const std::vector<int64_t> prompt = {1, 2, 3}, left = {4, 5}, right = {6};
  const Halt staggered = {"staggered", [](const StepState& state, const NextInput&) {
                            std::vector<char> stop(state.rows(), 0);
                            stop[1] = state.step() >= 2;
                            return stop;
                          }};
  ThoughtTree tree(model, {.capacity = 40});
  const int64_t root = tree.feed_chain(prompt), at_left = tree.feed_chain(left, root),
                at_right = tree.feed_chain(right, root);
  const std::vector<int64_t> leaves = {at_left, at_right, root, at_left};
  const auto [thoughts, ends] = tree.think(leaves, {.max_steps = 4, .halt = staggered, .keep_trace = true});
  CHECK(thoughts.steps == std::vector<int64_t>{4, 2, 4, 4});
  CHECK(tree.nodes() == 6 + 14);
  const std::vector<std::vector<int64_t>> paths = {{1, 2, 3, 4, 5}, {1, 2, 3, 6}, {1, 2, 3}, {1, 2, 3, 4, 5}};
  for (size_t b = 0; b < leaves.size(); ++b) {
    Session alone(model, {.rows = 1, .capacity = 40});
    alone.prefill({paths[b]});
    const Thoughts one = alone.think({.max_steps = thoughts.steps[b], .keep_trace = true});
    CHECK(test::relative_error(thoughts.trace_BKD[b].narrow(0, 0, thoughts.steps[b]), one.trace_BKD[0]) < kFp32Near);
    alone.feed({9, 8});
    const std::vector<int64_t> more = {9, 8}, last = {tree.feed_chain(more, ends[b])};
    CHECK(test::relative_error(tree.logits_NV(last), alone.logits_BV()) < kFp32Near);
  }
}

TEST_CASE("a tree names what is wrong and stays as it was") {
  const auto model = test::tiny_model({.max_positions = 6});
  ThoughtTree tree(model, {.capacity = 12});
  const std::vector<int64_t> three = {1, 2, 3}, chain = {kNoParent, 0, 1}, forward = {kNoParent, 4, 0}, one = {1},
                             none = {kNoParent}, below = {2}, unknown = {7}, outside = {99}, two_parents = {0, 0};
  tree.feed(three, chain);
  CHECK_THROWS_WITH_AS(tree.feed(three, forward), doctest::Contains("expected a parent of -1 to 3 for node 4"), Error);
  CHECK_THROWS_WITH_AS(tree.feed(outside, below), doctest::Contains("token ids of 0 to 19 but got 99"), Error);
  CHECK_THROWS_WITH_AS(tree.feed(one, two_parents), doctest::Contains("a parent for each of 1 tokens"), Error);
  CHECK_THROWS_WITH_AS(tree.feed_vectors(at::zeros({1, 3}), none), doctest::Contains("of shape [1, 32]"), Error);
  CHECK_THROWS_WITH_AS(tree.think(unknown, {.max_steps = 1}), doctest::Contains("nodes of 0 to 2 but got 7"), Error);
  CHECK_THROWS_WITH_AS(tree.think(below, {.max_steps = 4}), doctest::Contains("paths of at most 6 nodes"), Error);
  CHECK(tree.nodes() == 6);  // three thoughts had room
  CHECK_THROWS_WITH_AS(tree.feed_chain(std::vector<int64_t>(7, 1)), doctest::Contains("at most 6 more nodes"), Error);
  const std::vector<int64_t> last = {tree.feed_chain(three)};
  Session alone(model, {.rows = 1, .capacity = 6});
  alone.prefill({three});
  CHECK(test::relative_error(tree.logits_NV(last), alone.logits_BV()) < kFp32Near);
}
