#include "tests/lib/tokenizer_mixed_text.h"

#include "lib/tokenizer/utf8.h"

namespace tacit {
namespace {

class Draw {  // splitmix64
 public:
  explicit Draw(uint64_t seed) : state_(seed) {}
  uint64_t below(uint64_t n) {
    uint64_t z = state_ += 0x9E3779B97F4A7C15;
    z = (z ^ z >> 30) * 0xBF58476D1CE4E5B9;
    z = (z ^ z >> 27) * 0x94D049BB133111EB;
    return (z ^ z >> 31) % n;
  }
  const Json& one_of(const Json& list) { return list[below(list.size())]; }

 private:
  uint64_t state_;
};

void append_item(std::string& text, const Json& group, Draw& draw) {
  if (group.contains("texts")) {
    text += draw.one_of(group["texts"]).get_ref<const std::string&>();
    return;
  }
  for (uint64_t left = 1 + draw.below(group["length"].get<uint64_t>()); left > 0; --left) {
    const Json& range = draw.one_of(group["ranges"]);
    const auto first = range[0].get<uint64_t>(), last = range[1].get<uint64_t>();
    append_utf8(text, static_cast<char32_t>(first + draw.below(last - first + 1)));
  }
}

}  // namespace

std::string mixed_text(const Json& spec) {
  Draw draw(spec.at("seed").get<uint64_t>());
  const Json& groups = spec.at("groups");
  uint64_t weights = 0;
  for (const Json& group : groups) weights += group.at("weight").get<uint64_t>();
  std::string text;
  while (text.size() < spec.at("bytes").get<size_t>()) {
    uint64_t r = draw.below(weights);
    size_t chosen = 0;
    for (; r >= groups[chosen]["weight"].get<uint64_t>(); ++chosen) r -= groups[chosen]["weight"].get<uint64_t>();
    const Json& group = groups[chosen];
    for (uint64_t left = 1 + draw.below(group["most"].get<uint64_t>()); left > 0; --left) {
      append_item(text, group, draw);
      text += draw.one_of(group["between"]).get_ref<const std::string&>();
    }
  }
  return text;
}

std::string every_code_point(const Json& spec) {
  std::string text;
  for (const Json& range : spec.at("every")) {
    for (auto value = range[0].get<char32_t>(); value <= range[1].get<char32_t>(); ++value) {
      for (const char* before : {"a", "b1", " "}) append_utf8(text += before, value);
      text += '\n';
    }
  }
  return text;
}

}  // namespace tacit
