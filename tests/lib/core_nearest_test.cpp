#include "lib/core/nearest.h"

#include <doctest/doctest.h>

using namespace tacit;

TEST_CASE("a misspelled word finds the candidate with the fewest edits") {
  const std::vector<std::string> fields = {"hidden_size", "head_dim", "num_layers", "rope_theta"};
  CHECK(nearest("hiden_size", fields) == "hidden_size");
  CHECK(nearest("num_layer", fields) == "num_layers");
  CHECK(nearest("rope_tehta", fields) == "rope_theta");
  CHECK(nearest("head_dim", fields) == "head_dim");
  CHECK(nearest("cat", {"cart", "cut", "cat"}) == "cat");
  CHECK(nearest("kitten", {"sitting"}) == "");                  // 3 edits, 2 allowed
  CHECK(nearest("kittens99", {"sittings99"}) == "sittings99");  // 9 bytes allow 3
}

TEST_CASE("a word that is near nothing gets no suggestion") {
  CHECK(nearest("temperature", {"batch", "seed"}) == "");
  CHECK(nearest("x", {"d", "ab"}) == "");  // two edits, but nothing in common
  CHECK(nearest("", {"ab"}) == "");
  CHECK(nearest("anything", {}) == "");
  CHECK(did_you_mean("temperature", {"batch", "seed"}) == "");
}

TEST_CASE("of equally near candidates the first is taken") { CHECK(nearest("bat", {"cat", "hat"}) == "cat"); }

TEST_CASE("a suggestion reads as the end of a sentence") {
  CHECK(did_you_mean("--bacth", {"--batch", "--seed"}) == ", did you mean '--batch'?");
}
