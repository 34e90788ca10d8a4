#include <algorithm>
#include <array>

#include "datasets/generators.h"
#include "lib/core/error.h"

// The task `listops` [Nangia & Bowman, arXiv:1804.06028]: nested lists of digits.
//     [MAX 2 9 [MIN 4 7 ] 0 ]
// Operators: [MAX, [MIN, [MED (the median; of an even number the mean of the middle two, rounded down), [SM (the sum
// modulo 10). Depth is the nesting, 1 for a list of digits. One argument of every list, at a random place, is as deep
// as the depth demands; of the others a share `nested` are lists of a depth drawn uniformly. Steps are the values of
// the lists in the order in which they close. meta.parents: for each word the place of the word that opens the list
// around it, -1 at the root; a closing bracket stands inside the list that it closes.

namespace tacit {
namespace {

enum Operator { kMax, kMin, kMedian, kSum };
constexpr std::array<const char*, 4> kOpeners = {"[MAX", "[MIN", "[MED", "[SM"};

struct ListopsOptions {
  Range depth{1, 3};
  Range arguments{2, 5};
  double nested = 0.25;
  int64_t words = 200;  // of a question at most
};

ListopsOptions read_options(const JsonReader& in) {
  in.only({"depth", "arguments", "nested", "words"});
  ListopsOptions o;
  o.depth = read_range(in, "depth", o.depth, 1, 64);
  o.arguments = read_range(in, "arguments", o.arguments, 1, 100);
  o.nested = in.number("nested", o.nested);
  if (!(o.nested >= 0 && o.nested <= 1)) in.reject("nested", "to lie in 0..1");
  o.words = integer_or(in, "words", o.words, 3, 1 << 20);
  return o;
}

int64_t value_of(int64_t op, std::vector<int64_t> values) {
  std::ranges::sort(values);
  const size_t middle = values.size() / 2;
  switch (op) {
    case kMax: return values.back();
    case kMin: return values.front();
    case kMedian: return values.size() % 2 == 1 ? values[middle] : (values[middle - 1] + values[middle]) / 2;
    default: break;
  }
  int64_t sum = 0;
  for (const int64_t value : values) sum += value;
  return sum % 10;
}

struct Tree {
  const ListopsOptions& o;
  Rng& rng;
  std::vector<std::string> words, steps;
  std::vector<int64_t> parents;

  bool too_long() const { return std::ssize(words) > o.words; }
  void add(std::string word, int64_t parent) {
    words.push_back(std::move(word));
    parents.push_back(parent);
  }
  // -> its value; stops early where the text has become too long.
  int64_t list(int64_t depth, int64_t parent) {
    const int64_t opener = std::ssize(words), op = rng.below(std::ssize(kOpeners));
    add(kOpeners[op], parent);
    const int64_t count = rng.between(o.arguments.low, o.arguments.high), deepest = rng.below(count);
    std::vector<int64_t> values;
    for (int64_t i = 0; i < count && !too_long(); ++i) {
      if (depth > 1 && i == deepest) {
        values.push_back(list(depth - 1, opener));
      } else if (depth > 1 && rng.uniform() < o.nested) {
        values.push_back(list(rng.between(1, depth - 1), opener));
      } else {
        values.push_back(rng.below(10));
        add(std::to_string(values.back()), opener);
      }
    }
    add("]", opener);
    if (too_long()) return 0;
    steps.push_back(std::to_string(value_of(op, std::move(values))));
    return std::stoll(steps.back());
  }
};

Example make(const ListopsOptions& o, uint64_t seed, int64_t index) {
  Example example = named_example("listops", seed, index);
  Rng rng = example_rng(seed, index, kListopsStream);
  const int64_t depth = rng.between(o.depth.low, o.depth.high);
  for (int64_t tries = 0; tries < kMostTries; ++tries) {
    Tree tree{o, rng, {}, {}, {}};
    tree.list(depth, -1);
    if (tree.too_long()) continue;
    example.question = joined(tree.words);
    example.answer = tree.steps.back();
    example.steps = std::move(tree.steps);
    example.meta["depth"] = depth;
    example.meta["parents"] = tree.parents;
    return example;
  }
  fail("listops", "expected lists of depth ", depth, " within ", o.words, " words but ", kMostTries,
       " in a row were longer; allow more words, or fewer arguments");
}

std::string digit_of(const Example& example, bool last) {
  std::vector<std::string> words = split_words(example.question);
  std::erase_if(words, [](const std::string& word) { return word[0] < '0' || word[0] > '9'; });
  if (words.empty()) return "";
  return last ? words.back() : words.front();
}

// The outer operator on its own digits, lists among its arguments left out.
std::string outer_digits(const Example& example) {
  const std::vector<std::string> words = split_words(example.question);
  std::vector<int64_t> values;
  int64_t depth = 0;
  for (const std::string& word : words) {
    depth += word[0] == '[' ? 1 : word == "]" ? -1 : 0;
    if (depth == 1 && word[0] >= '0' && word[0] <= '9') values.push_back(std::stoll(word));
  }
  if (values.empty()) return "";
  return std::to_string(value_of(std::ranges::find(kOpeners, words[0]) - kOpeners.begin(), std::move(values)));
}

Generator open(const JsonReader& in) {
  const ListopsOptions o = read_options(in);
  std::vector<std::string> words = number_words(10);
  words.insert(words.end(), kOpeners.begin(), kOpeners.end());
  words.emplace_back("]");
  return {.options = {{"depth", to_json(o.depth)},
                      {"arguments", to_json(o.arguments)},
                      {"nested", o.nested},
                      {"words", o.words}},
          .vocabulary = with_marks(words),
          .example = [o](uint64_t seed, int64_t index) { return make(o, seed, index); },
          .max_words = (o.words - 1) / 2};  // a list takes two words, and somewhere stands a digit
}

}  // namespace

GeneratedTask listops_task() {
  return {.name = "listops",
          .summary = "nested lists of digits: maximum, minimum, median, sum modulo 10 [ListOps, arXiv:1804.06028]",
          .open = open,
          .rules = {{"outer digits", "the outer operator on its own digits, lists among its arguments left out",
                     outer_digits},
                    {"first digit", "the digit that stands first", [](const Example& e) { return digit_of(e, false); }},
                    {"last digit", "the digit that stands last", [](const Example& e) { return digit_of(e, true); }}}};
}

}  // namespace tacit
