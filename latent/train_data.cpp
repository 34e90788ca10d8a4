#include "latent/train_data.h"

#include <algorithm>
#include <array>

#include "datasets/coconut_file.h"
#include "datasets/generated_task.h"
#include "datasets/lines.h"
#include "latent/train_method.h"
#include "lib/core/error.h"
#include "lib/core/files.h"
#include "lib/core/rng.h"
#include "lib/tokenizer/tokenizer_json.h"

namespace tacit {
namespace {

// Data seeds: the low bit tells training from validation, so that the two never share an example. `tacit data generate`
// and the evaluation's own problems are drawn from the seed as given; a training seed is shifted out of their way.
constexpr uint64_t training_space = 0x7472'6169'0000'0000;  // "trai"
uint64_t training_seed(uint64_t seed) { return training_space + 2 * seed; }
uint64_t validation_seed(uint64_t seed) { return training_space + 2 * seed + 1; }
constexpr int64_t validation_examples = 128;

constexpr int64_t kFileChain = 128;  // tokens of a written chain: Coconut's own bound for ProsQA

// Methods part steps by one space; a step that ends its line is parted already, and the original has none behind it.
class LineTokenizer : public Tokenizer {
 public:
  explicit LineTokenizer(std::shared_ptr<const Tokenizer> plain) : plain_(std::move(plain)) {}

  std::vector<int64_t> encode(std::string_view text) const override { return plain_->encode(tight_lines(text)); }
  std::string decode(std::span<const int64_t> ids) const override { return plain_->decode(ids); }
  int64_t vocab_size() const override { return plain_->vocab_size(); }
  std::string token(int64_t id) const override { return plain_->token(id); }
  std::optional<int64_t> id_of(std::string_view token) const override { return plain_->id_of(token); }

 private:
  std::shared_ptr<const Tokenizer> plain_;
};

Example walk_as_example(const Walk& walk) {
  Example out;
  out.question = walk.edges;
  out.steps = walk.words;
  out.meta["targets"] = walk.targets;
  return out;
}

Example reach_or_walk(const TrainConfig& config, const ReachOptions& reach, uint64_t seed, int64_t index) {
  if (config.method == "walk")
    return walk_as_example(walk_example(reach, seed, index, config.walk_length, config.walk_question));
  return reach_example(reach, seed, index);
}

// Word i must be token i of the checkpoint that the training starts from.
void check_vocabulary(const std::vector<std::string>& words, const std::filesystem::path& init) {
  const auto tokenizer = load_tokenizer(init);
  for (size_t i = 0; i < words.size(); ++i) {
    const int64_t id = static_cast<int64_t>(i);
    const std::string there = id < tokenizer->vocab_size() ? tokenizer->token(id) : "nothing";
    require(there == words[i], "train", "expected '", words[i], "' as token ", i, " but got '", there, "' in ",
            init.string());
  }
}

TrainData generated_data(const TrainConfig& config) {
  TrainData out;
  const bool reach = config.task == "reach";
  // Those of reach grow with the steps, and a walk takes graphs that the task would refuse.
  const Generator generator = reach ? Generator() : open_generator(config.task, config.generator, "the recipe");
  const auto example = [config, generator, reach](const ReachOptions& options, uint64_t seed, int64_t index) {
    return reach ? reach_or_walk(config, options, seed, index) : generator.example(seed, index);
  };
  out.training = [=](int64_t step, int64_t index) {
    return example(reach_at(config, step), training_seed(config.seed), index);
  };
  for (int64_t i = 0; i < validation_examples; ++i) {
    out.validation.push_back(example(config.reach, validation_seed(config.seed), i));
  }
  out.largest = out.validation;

  const auto words = reach ? reach_vocabulary(config.reach.labels) : generator.vocabulary;
  if (!config.init.empty()) check_vocabulary(words, config.init);
  out.tokenizer = make_word_tokenizer(words);
  out.tokenizer_files["tokenizer.json"] = word_tokenizer_json(words);

  MethodSettings& s = out.settings;
  // Enough for the longest chain: of reach every node and a mark for every level.
  const int64_t chain = reach ? config.reach.graph.max_nodes + config.reach.graph.max_depth : generator.max_words;
  s.max_words = std::max(s.max_words, chain + 1);
  s.style = reach ? "symbols" : "";
  s.labels = reach ? config.reach.labels : s.labels;
  if (!reach) s.generator = Json::parse(generator.options.dump());
  s.markers = {.think = "[T]", .answer = "[A]", .pause = "[P]", .end = "[E]"};
  return out;
}

// With the recipe's new tokens behind its own.
std::string with_added_tokens(const std::filesystem::path& folder, const std::vector<std::string>& added) {
  const auto file = folder / "tokenizer.json";
  require(exists(file), "train", "expected a tokenizer.json to add tokens to but there is none in ", folder.string());
  OrderedJson json = OrderedJson::parse(read_file(file, "train"));
  int64_t id = load_tokenizer(folder)->vocab_size();
  if (!json.contains("added_tokens")) json["added_tokens"] = OrderedJson::array();
  for (const std::string& token : added) {
    json["added_tokens"].push_back({{"id", id++},
                                    {"content", token},
                                    {"single_word", false},
                                    {"lstrip", false},
                                    {"rstrip", false},
                                    {"normalized", false},
                                    {"special", true}});
  }
  return json.dump() + "\n";
}

void take_tokenizer(const std::filesystem::path& folder, const std::vector<std::string>& added, TrainData& out) {
  auto plain = load_tokenizer(folder);
  for (const char* name : {"tokenizer.json", "tokenizer.model", "vocab.json", "merges.txt", "added_tokens.json",
                           "tokenizer_config.json", "special_tokens_map.json"}) {
    if (exists(folder / name)) out.tokenizer_files[name] = read_file(folder / name, "train");
  }
  for (const std::string& token : added) {
    require(!plain->id_of(token), "train", "expected new tokens in 'add_tokens' but '", token, "' is one of ",
            folder.string());
  }
  if (!added.empty()) {
    std::string& content = out.tokenizer_files["tokenizer.json"];
    content = with_added_tokens(folder, added);
    plain = tokenizer_from_json(parse_json(content, "train", "tokenizer.json with 'add_tokens'"),
                                "tokenizer.json with 'add_tokens'");
  }
  out.tokenizer = std::make_shared<const LineTokenizer>(plain);
}

Markers markers_of(const TrainConfig& config, const Tokenizer& tokenizer) {
  const auto first_of = [&](std::initializer_list<const char*> tokens) -> std::string {
    for (const char* token : tokens) {
      if (tokenizer.id_of(token)) return token;
    }
    return "";
  };
  Markers out = {.think = "",
                 .answer = first_of({"###"}),
                 .pause = "",
                 .end = first_of({"<|endoftext|>", "</s>", "<|end_of_text|>", "<|im_end|>"})};
  for (const auto& [name, marker] : config.markers.items()) {
    std::string& slot = name == "think"    ? out.think
                        : name == "answer" ? out.answer
                        : name == "pause"  ? out.pause
                                           : out.end;
    slot = marker.get<std::string>();
    require(slot.empty() || tokenizer.id_of(slot), "train", "expected the marker '", slot,
            "' to be one token of the tokenizer, or of 'add_tokens'");
  }
  return out;
}

std::vector<Example> read_file_task(const std::string& task, const std::filesystem::path& path, bool marked) {
  std::vector<Example> examples =
      task == "prosqa" ? read_prosqa(path, ReachStyle::english, kMostLabels, 0) : read_coconut(path);
  require(!examples.empty(), "train", "expected at least one example but got none in ", path.string());
  for (Example& example : examples) example = on_lines(std::move(example), marked);
  return examples;
}

// By bytes, which is near enough: rows that do not fit are refused when they are met, these before anything is written.
std::vector<Example> longest(const std::vector<Example>& examples) {
  const auto bytes = [](const Example& example) {
    size_t sum = example.question.size() + example.answer.size();
    for (const std::string& step : example.steps) sum += step.size();
    return sum;
  };
  std::vector<Example> out(std::min<size_t>(examples.size(), validation_examples));
  std::ranges::partial_sort_copy(examples, out,
                                 [&](const Example& a, const Example& b) { return bytes(a) > bytes(b); });
  return out;
}

TrainData file_data(const TrainConfig& config) {
  TrainData out;
  take_tokenizer(config.init.empty() ? config.tokenizer : config.init, config.add_tokens, out);
  out.settings.markers = markers_of(config, *out.tokenizer);
  require(config.method != "pause" || !out.settings.markers.pause.empty(), "train",
          "expected a pause token in 'markers' (a token of the tokenizer, or of 'add_tokens') for method 'pause'");
  require(
      config.method != "cot" || !out.settings.markers.answer.empty(), "train",
      "expected an answer marker in 'markers' (a token of the tokenizer, or of 'add_tokens') for method 'cot', whose "
      "chain it ends");
  const bool marked = !out.settings.markers.answer.empty();
  const auto examples = std::make_shared<const std::vector<Example>>(read_file_task(config.task, config.data, marked));
  const int64_t size = std::ssize(*examples);
  struct Epoch {
    int64_t number = -1;
    std::vector<int64_t> order;
  };
  out.training = [=, seed = training_seed(config.seed), epoch = std::make_shared<Epoch>()](int64_t, int64_t index) {
    if (epoch->number != index / size) *epoch = {index / size, epoch_order(seed, index / size, size)};
    return examples->at(epoch->order[index % size]);
  };
  if (!config.validation_data.empty()) {
    out.validation = read_file_task(config.task, config.validation_data, marked);
    out.validation.resize(std::min<size_t>(out.validation.size(), validation_examples));
  }
  out.largest = longest(*examples);
  out.settings.style = "lines";
  out.settings.max_words = kFileChain;
  return out;
}

}  // namespace

bool is_file_task(const std::string& task) { return task == "prosqa" || task == "gsm8k_aug"; }

std::vector<int64_t> epoch_order(uint64_t seed, int64_t epoch, int64_t size) {
  return Rng(seed, static_cast<uint64_t>(epoch), 0).permutation(size);
}

TrainData open_train_data(const TrainConfig& config) {
  TrainData out = is_file_task(config.task) ? file_data(config) : generated_data(config);
  out.settings.task = config.task;
  return out;
}

}  // namespace tacit
