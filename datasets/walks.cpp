#include <algorithm>
#include <map>

#include "datasets/generators.h"
#include "lib/core/error.h"

// The task `walks`: long texts whose answer needs what was read long ago.
//
// Kind `track`, which a memory of fixed size can do: the places of a ring in order, then a start and moves one place
// on (>), back (<) or none (=). Where does the walk end?
//     17 3 9 5 | [R] 9 > > = < > [Q]
// Steps are the places after each move.
//
// Kind `recall`, which no memory of fixed size can do: a walk that goes from any place to any other, then two places.
// Where did it go the one time that it had come through both, in this order?
//     17 3 9 17 5 3 9 5 .. [Q] 3 9
// Pairs are as many as places squared, and which is asked for shows at the end, so all must be kept. Steps are the two.
//
// Depth is the length, in moves or places; meta.back says how many places from the end recall's answer stands. Labels
// are a random injection of places into 0..labels-1.

namespace tacit {
namespace {

struct WalksOptions {
  bool track = true;
  Range length{32, 32};
  Range places{8, 8};
  int64_t labels = 32;  // label words
};

WalksOptions read_options(const JsonReader& in) {
  in.only({"kind", "length", "places", "labels"});
  WalksOptions o;
  const std::string kind = in.string("kind", "track");
  if (kind != "track" && kind != "recall") in.reject("kind", "to be track or recall");
  o.track = kind == "track";
  o.labels = integer_or(in, "labels", o.labels, 3, kMostLabels);
  o.length = read_range(in, "length", o.length, o.track ? 1 : 3, 1 << 20);
  o.places = read_range(in, "places", o.places, 3, o.labels);
  if (o.places.high > o.labels) in.reject("labels", "to be at least the places, " + std::to_string(o.places.high));
  return o;
}

void fill_track(Example& example, const std::vector<std::string>& places, int64_t length, Rng& rng) {
  const int64_t count = std::ssize(places);
  int64_t at = rng.below(count);
  std::vector<std::string> words = places;
  words.insert(words.end(), {"|", "[R]", places[at]});
  for (int64_t i = 0; i < length; ++i) {
    const int64_t move = rng.below(3) - 1;
    words.emplace_back(move < 0 ? "<" : move == 0 ? "=" : ">");
    at = (at + move + count) % count;
    example.steps.push_back(places[at]);
  }
  words.emplace_back("[Q]");
  example.question = joined(words);
  example.answer = places[at];
}

// Every next place is drawn uniformly from the others. -> where the pair that is asked for begins, -1 = no pair stands
// once and has a place behind it.
int64_t draw_walk(std::vector<int64_t>& walk, int64_t places, int64_t length, Rng& rng) {
  walk = {rng.below(places)};
  while (std::ssize(walk) < length) walk.push_back((walk.back() + 1 + rng.below(places - 1)) % places);
  std::map<std::pair<int64_t, int64_t>, int64_t> times;
  for (size_t i = 0; i + 1 < walk.size(); ++i) ++times[{walk[i], walk[i + 1]}];
  std::vector<int64_t> once;
  for (size_t i = 0; i + 2 < walk.size(); ++i) {
    if (times[{walk[i], walk[i + 1]}] == 1) once.push_back(static_cast<int64_t>(i));
  }
  return once.empty() ? -1 : rng.choice(once);
}

void fill_recall(Example& example, const std::vector<std::string>& places, int64_t length, Rng& rng) {
  std::vector<int64_t> walk;
  int64_t pair = -1;
  for (int64_t tries = 0; pair < 0; ++tries) {
    require(tries < kMostTries, "walks", "expected a walk in which a pair of places stands once but ", kMostTries,
            " in a row had none: ", length, " is too long for ", places.size(), " places");
    pair = draw_walk(walk, std::ssize(places), length, rng);
  }
  std::vector<std::string> words;
  for (const int64_t place : walk) words.push_back(places[place]);
  example.steps = {words[pair], words[pair + 1]};
  example.answer = words[pair + 2];
  words.insert(words.end(), {"[Q]", example.steps[0], example.steps[1]});
  example.question = joined(words);
  example.meta["back"] = length - (pair + 2);
}

Example make(const WalksOptions& o, uint64_t seed, int64_t index) {
  Example example = named_example("walks", seed, index);
  Rng rng = example_rng(seed, index, kWalksStream);
  const int64_t length = rng.between(o.length.low, o.length.high);
  std::vector<int64_t> label = rng.permutation(o.labels);
  label.resize(rng.between(o.places.low, o.places.high));
  std::vector<std::string> places;
  for (const int64_t value : label) places.push_back(std::to_string(value));
  example.meta["depth"] = length;
  (o.track ? fill_track : fill_recall)(example, places, length, rng);
  return example;
}

bool is_track(const Example& example) { return example.question.ends_with("[Q]"); }

// Track: the start. Recall: what most often follows the second of the two places, the latest of equals.
std::string nearby(const Example& example) {
  const std::vector<std::string> words = split_words(example.question);
  if (is_track(example)) return *(std::ranges::find(words, "[R]") + 1);
  std::map<std::string, int64_t> followers;
  std::string best;
  for (size_t i = 0; i + 4 < words.size(); ++i) {
    if (words[i] != words.back()) continue;
    const int64_t times = ++followers[words[i + 1]];
    if (best.empty() || times >= followers[best]) best = words[i + 1];
  }
  return best;
}

std::string last_place(const Example& example) {
  const std::vector<std::string> words = split_words(example.question);
  const auto mark = std::ranges::find(words, is_track(example) ? "|" : "[Q]");
  return *(mark - 1);
}

Generator open(const JsonReader& in) {
  const WalksOptions o = read_options(in);
  std::vector<std::string> words = number_words(o.labels);
  for (const char* word : {"<", "=", ">", "|", "[Q]", "[R]"}) words.emplace_back(word);
  return {.options = {{"kind", o.track ? "track" : "recall"},
                      {"length", to_json(o.length)},
                      {"places", to_json(o.places)},
                      {"labels", o.labels}},
          .vocabulary = with_marks(words),
          .example = [o](uint64_t seed, int64_t index) { return make(o, seed, index); },
          .max_words = o.track ? o.length.high : 2};
}

}  // namespace

GeneratedTask walks_task() {
  return {.name = "walks",
          .summary = "long walks: where one ends (kind track), or where it went at a far place (kind recall)",
          .open = open,
          .rules = {{"nearby", "track: the start; recall: what mostly follows the second of the two places", nearby},
                    {"last place", "the place that is listed or visited last", last_place}}};
}

}  // namespace tacit
