#include <algorithm>
#include <numeric>

#include "datasets/generators.h"

// The task `chain`: variables assigned one after the other, modulo m.
//     a = 3 ; x = a - 1 ; b = a + 4 ; c = b * 3 ; c ?
// Depth is the number of operations between the constant and the variable that is asked for. Added numbers are 1..m-1
// and factors are units other than 1, so every operation is a bijection: the answer is uniform and needs all of them.
// Distractors branch off any earlier variable or start from a constant of their own. Names are drawn at random.

namespace tacit {
namespace {

constexpr int64_t kLetters = 26;

struct ChainOptions {
  int64_t modulus = 10;
  Range depth{2, 6};
  Range distractors{0, 3};  // statements
  bool shuffled = false;    // statements in random order, else after what they read
  int64_t variables = 26;   // names
};

ChainOptions read_options(const JsonReader& in) {
  in.only({"modulus", "depth", "distractors", "shuffled", "variables"});
  ChainOptions o;
  o.modulus = integer_or(in, "modulus", o.modulus, 2, 1000);
  o.shuffled = in.boolean("shuffled", o.shuffled);
  o.variables = integer_or(in, "variables", o.variables, 2, kLetters * (kLetters + 1));
  o.depth = read_range(in, "depth", o.depth, 1, o.variables - 1);
  o.distractors = read_range(in, "distractors", o.distractors, 0, o.variables - 2);
  const int64_t needed = o.depth.high + 1 + o.distractors.high;
  if (needed > o.variables) in.reject("variables", "to be at least depth + 1 + distractors, " + std::to_string(needed));
  return o;
}

// a .. z, aa .. zz
std::string name_of(int64_t variable) {
  const auto letter = [](int64_t i) { return std::string(1, static_cast<char>('a' + i)); };
  return variable < kLetters ? letter(variable) : letter(variable / kLetters - 1) + letter(variable % kLetters);
}

struct Operation {
  char sign;
  int64_t number;
};

int64_t applied(Operation op, int64_t value, int64_t modulus) {
  if (op.sign == '*') return value * op.number % modulus;
  return (value + (op.sign == '+' ? op.number : modulus - op.number)) % modulus;
}

Operation draw_operation(int64_t modulus, Rng& rng) {
  std::vector<int64_t> factors;
  for (int64_t i = 2; i < modulus; ++i) {
    if (std::gcd(i, modulus) == 1) factors.push_back(i);
  }
  const int64_t sign = rng.below(factors.empty() ? 2 : 3);
  if (sign == 2) return {'*', rng.choice(factors)};
  return {sign == 0 ? '+' : '-', rng.between(1, modulus - 1)};
}

struct Variable {
  std::string name;
  int64_t value;
};

struct Statements {
  const ChainOptions& o;
  Rng& rng;
  std::vector<std::string> texts;

  Variable constant(const std::string& name) {
    const int64_t value = rng.below(o.modulus);
    texts.push_back(name + " = " + std::to_string(value) + " ;");
    return {name, value};
  }
  Variable operation(const std::string& name, const Variable& from) {
    const Operation op = draw_operation(o.modulus, rng);
    texts.push_back(name + " = " + from.name + " " + op.sign + " " + std::to_string(op.number) + " ;");
    return {name, applied(op, from.value, o.modulus)};
  }
};

Example make(const ChainOptions& o, uint64_t seed, int64_t index) {
  Example example = named_example("chain", seed, index);
  Rng rng = example_rng(seed, index, kChainStream);
  const int64_t depth = rng.between(o.depth.low, o.depth.high);
  const int64_t distractors = rng.between(o.distractors.low, o.distractors.high);
  const std::vector<int64_t> names = rng.permutation(o.variables);
  std::vector<char> of_chain(static_cast<size_t>(depth + 1 + distractors), 0);
  std::fill_n(of_chain.begin(), depth + 1, 1);
  rng.shuffle(of_chain);

  Statements statements{o, rng, {}};
  std::vector<Variable> all;
  int64_t last = -1;  // of the chain
  for (size_t i = 0; i < of_chain.size(); ++i) {
    const std::string name = name_of(names[i]);
    int64_t from = last;
    if (!of_chain[i]) from = all.empty() || rng.below(4) == 0 ? -1 : rng.below(std::ssize(all));
    all.push_back(from < 0 ? statements.constant(name) : statements.operation(name, all[from]));
    if (!of_chain[i]) continue;
    last = static_cast<int64_t>(i);
    if (from >= 0) example.steps.push_back(name + " " + std::to_string(all.back().value));
  }
  if (o.shuffled) rng.shuffle(statements.texts);
  example.question = joined(statements.texts) + " " + all[last].name + " ?";
  example.answer = std::to_string(all[last].value);
  example.meta["depth"] = depth;
  example.meta["modulus"] = o.modulus;
  return example;
}

bool is_number(const std::string& word) { return word[0] >= '0' && word[0] <= '9'; }

std::vector<std::string> numbers_of(const Example& example) {
  std::vector<std::string> numbers = split_words(example.question);
  std::erase_if(numbers, [](const std::string& word) { return !is_number(word); });
  return numbers;
}

// The number in the statement that assigns the variable asked for.
std::string own_number(const Example& example) {
  const std::vector<std::string> words = split_words(example.question);
  const std::string& asked = words[words.size() - 2];
  for (size_t i = 0; i + 1 < words.size(); ++i) {
    if (words[i] != asked || words[i + 1] != "=") continue;
    return *std::find_if(words.begin() + static_cast<int64_t>(i) + 2, words.end(), is_number);
  }
  return "";
}

std::string sum_of_numbers(const Example& example) {
  int64_t sum = 0;
  for (const std::string& number : numbers_of(example)) sum += std::stoll(number);
  return std::to_string(sum % example.meta.at("modulus").get<int64_t>());
}

Generator open(const JsonReader& in) {
  const ChainOptions o = read_options(in);
  std::vector<std::string> words = number_words(o.modulus);
  for (int64_t i = 0; i < o.variables; ++i) words.push_back(name_of(i));
  for (const char* word : {"=", "+", "-", "*", "?"}) words.emplace_back(word);
  return {.options = {{"modulus", o.modulus},
                      {"depth", to_json(o.depth)},
                      {"distractors", to_json(o.distractors)},
                      {"shuffled", o.shuffled},
                      {"variables", o.variables}},
          .vocabulary = with_marks(words),
          .example = [o](uint64_t seed, int64_t index) { return make(o, seed, index); },
          .max_words = 2 * o.depth.high};
}

}  // namespace

GeneratedTask chain_task() {
  return {.name = "chain",
          .summary = "modular arithmetic: the value of the last of a chain of assigned variables",
          .open = open,
          .rules = {
              {"last number", "the number that stands last", [](const Example& e) { return numbers_of(e).back(); }},
              {"first number", "the number that stands first", [](const Example& e) { return numbers_of(e).front(); }},
              {"own number", "the number in the statement that is asked for", own_number},
              {"sum", "the sum of all numbers, modulo m", sum_of_numbers}}};
}

}  // namespace tacit
