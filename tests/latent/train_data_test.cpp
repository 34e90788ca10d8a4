#include "latent/train_data.h"

#include <ATen/Parallel.h>
#include <doctest/doctest.h>

#include <set>

#include "latent/train_method.h"
#include "lib/core/files.h"
#include "lib/core/safetensors.h"
#include "lib/model/checkpoint.h"
#include "tests/lib/tokenizer_support.h"

using namespace tacit;

namespace {

const char* kGsm =
    "How many ll?||<<1+1=2>> <<2*2=4>> <<4-1=3>> #### 3\n"
    "hello world?||<<12/3=4>> #### 4\n"
    "and 7?||#### 7\n";

const char* kProsqa =
    R"([{"question": "Tom is a yumpus. Every yumpus is a rempus. Every lempus is a gerpus. Is Tom a rempus or gerpus?",
 "steps": ["Tom is a yumpus.", "Every yumpus is a rempus."], "answer": "Tom is a rempus.",
 "idx_to_symbol": ["Tom", "yumpus", "rempus", "lempus", "gerpus"], "edges": [[0, 1], [1, 2], [3, 4]],
 "root": 0, "target": 2, "neg_target": 4}])";

// A folder with the files of two tasks and a byte-level tokenizer that has "###", "<<" and an end of text.
struct Files {
  ScratchFolder folder;
  Files() {
    put(folder / "gsm.txt", kGsm);
    put(folder / "prosqa.json", kProsqa);
    std::filesystem::create_directories(folder / "words");
    Json tokenizer = tiny_bpe_json();
    tokenizer["added_tokens"] = {added_token(277, "<|endoftext|>"), added_token(278, "###"), added_token(279, "<<")};
    put(folder / "words" / "tokenizer.json", tokenizer.dump());
  }
  Json recipe(const std::string& method, const std::string& task = "gsm8k_aug") const {
    return {{"method", method},
            {"task", task},
            {"data", (folder / (task == "prosqa" ? "prosqa.json" : "gsm.txt")).string()},
            {"tokenizer", (folder / "words").string()},
            {"steps", 4},
            {"batch", 2},
            {"checkpoint_every", 2},
            {"model",
             {{"model_type", "gpt2"},
              {"vocab_size", 280},
              {"n_positions", 256},
              {"n_embd", 16},
              {"n_layer", 2},
              {"n_head", 2},
              {"activation_function", "gelu_new"},
              {"layer_norm_epsilon", 1e-5}}}};
  }
};

TrainConfig recipe_config(const Json& recipe) { return train_config_from_json(recipe, "test"); }

std::vector<int64_t> joined_ids(const Tokenizer& tokenizer, const std::vector<std::string>& parts) {
  std::vector<int64_t> out;
  for (const std::string& part : parts) {
    const auto ids = tokenizer.encode(part);
    out.insert(out.end(), ids.begin(), ids.end());
  }
  return out;
}

TrainingRow row_of(const TrainConfig& config, const TrainData& data, const std::string& question, int64_t stage) {
  for (int64_t i = 0; i < 3; ++i) {
    const Example example = data.training(0, i);
    if (!example.question.starts_with(question)) continue;
    return method(config.method).row(example, {data.settings, *data.tokenizer, config.latents, stage});
  }
  FAIL("no such example");
  return {};
}

}  // namespace

// dataset.py: encode(question + "\n"), encode(step + "\n") each, encode("### " + answer), the end; parts side by side.
TEST_CASE("text on lines has the tokens that the original Coconut encodes part by part") {
  const Files files;
  Json recipe = files.recipe("coconut");
  recipe["latents"] = 2;
  const TrainConfig config = recipe_config(recipe);
  const TrainData data = open_train_data(config);
  const auto plain = load_tokenizer(files.folder / "words");
  const int64_t end = *plain->id_of("<|endoftext|>");
  const auto with_end = [&](std::vector<int64_t> ids) {
    ids.push_back(end);
    return ids;
  };
  const std::vector<std::string> steps = {"<<1+1=2>>\n", "<<2*2=4>>\n", "<<4-1=3>>\n"};

  const TrainingRow written = row_of(config, data, "How", 0);
  CHECK(written.prompt == plain->encode("How many ll?\n"));
  CHECK(written.latents == 0);
  CHECK(written.rest == with_end(joined_ids(*plain, {steps[0], steps[1], steps[2], "### 3"})));
  CHECK(std::ranges::count(written.rest_trained, 0) == 0);

  const TrainingRow half = row_of(config, data, "How", 1);
  CHECK(half.prompt == written.prompt);
  CHECK(half.latents == 1);
  CHECK(half.rest == with_end(joined_ids(*plain, {steps[1], steps[2], "### 3"})));

  const TrainingRow last = row_of(config, data, "How", 2);
  CHECK(last.latents == 2);
  CHECK(last.rest == with_end(plain->encode("### 3")));
}

TEST_CASE("without a token for it, the mark before the answer is written out and trained") {
  const Files files;
  Json tokenizer = tiny_bpe_json();
  tokenizer["added_tokens"] = {added_token(277, "</s>")};
  put(files.folder / "words" / "tokenizer.json", tokenizer.dump());
  const TrainConfig config = recipe_config(files.recipe("direct"));
  const TrainData data = open_train_data(config);
  CHECK(data.settings.markers.answer.empty());
  CHECK(data.settings.markers.end == "</s>");
  const TrainingRow row = row_of(config, data, "hello", 0);
  CHECK(data.tokenizer->decode(row.rest) == "### 4</s>");
  CHECK(std::ranges::count(row.rest_trained, 0) == 0);
}

TEST_CASE("an epoch takes every example of the file once, each in an order of its own that seed and epoch give") {
  const Files files;
  const TrainData data = open_train_data(recipe_config(files.recipe("direct")));
  const TrainData again = open_train_data(recipe_config(files.recipe("direct")));
  std::set<std::string> orders;
  for (int64_t epoch = 0; epoch < 40; ++epoch) {
    std::set<std::string> ids;
    std::string order;
    for (int64_t i = 3 * epoch; i < 3 * epoch + 3; ++i) {
      const Example example = data.training(i / 2, i);
      ids.insert(example.id);
      order += example.id + " ";
    }
    CHECK(ids.size() == 3);
    orders.insert(order);
  }
  CHECK(orders.size() == 6);  // of three examples, after forty epochs
  for (const int64_t i : {71, 3, 0, 50}) CHECK(again.training(0, i).id == data.training(9, i).id);
  CHECK(epoch_order(1, 0, 100) != epoch_order(2, 0, 100));
  CHECK(epoch_order(1, 5, 100) == epoch_order(1, 5, 100));
}

TEST_CASE(
    "a training on a file leaves a checkpoint with its tokenizer; interrupted and resumed it has the same bytes") {
  at::set_num_threads(1);
  for (const std::string task : {"gsm8k_aug", "prosqa"}) {
    for (const std::string name : {"coconut", "cot", "direct"}) {
      CAPTURE(task);
      CAPTURE(name);
      const Files files;
      Json recipe = files.recipe(name, task);
      if (name == "coconut") recipe["latents"] = 2;
      recipe["validation_data"] = recipe["data"];
      recipe["validate_every"] = 2;
      const TrainConfig config = recipe_config(recipe);
      CHECK(Json::parse(to_json(recipe_config(Json::parse(to_json(config).dump()))).dump()) ==
            Json::parse(to_json(config).dump()));
      const auto whole = files.folder / "whole", parts = files.folder / "parts";
      train_method(config, whole, false, {});
      CHECK_THROWS_AS(train_method(config, parts, false, [](const Progress& p) { return p.done < 3; }), Interrupted);
      train_method(config, parts, true, {});
      for (const char* file : {"model.safetensors", "config.json", "tokenizer.json", "train.json"}) {
        CHECK(read_file(whole / file, "test") == read_file(parts / file, "test"));
      }
      CHECK(read_file(whole / "tokenizer.json", "test") ==
            read_file(files.folder / "words" / "tokenizer.json", "test"));
      CHECK(load_model(whole)->config().family == "gpt2");
      const auto settings = read_method_settings(read_json(whole / "config.json", "test"), "test");
      CHECK(settings.task == task);
      CHECK(settings.style == "lines");
      CHECK(settings.markers.answer == "###");
      CHECK(settings.markers.end == "<|endoftext|>");
      CHECK(settings.markers.think.empty());
    }
  }
}

TEST_CASE("a training on a file is not gone on with by another validation file or tokenizer") {
  at::set_num_threads(1);
  const Files files;
  Json recipe = files.recipe("direct");
  put(files.folder / "valid.txt", kGsm);
  recipe["validation_data"] = (files.folder / "valid.txt").string();
  const TrainConfig config = recipe_config(recipe);
  const auto out = files.folder / "out";
  CHECK_THROWS_AS(train_method(config, out, false, [](const Progress& p) { return p.done < 3; }), Interrupted);
  const auto error = [&] { return error_of([&] { train_method(config, out, true, {}); }); };

  put(files.folder / "valid.txt", "and 7?||#### 7\n");
  CHECK(holds(error(), "[resume] expected 'validation_data_sha256' of "));
  put(files.folder / "valid.txt", kGsm);
  const auto words = files.folder / "words" / "tokenizer.json";
  const std::string tokenizer = read_file(words, "test");
  put(words, tokenizer + "\n");
  CHECK(holds(error(), "[resume] expected 'tokenizer_sha256' of "));

  // A state of before does not say what they were.
  const auto state = out / "training_state.safetensors";
  {
    const Safetensors file = read_safetensors(state);
    std::map<std::string, TensorToWrite> tensors;
    for (const auto& [name, view] : file.tensors) tensors[name] = {view.type, view.shape, view.bytes};
    auto metadata = file.metadata;
    Json kept = Json::parse(metadata.at("recipe"));
    CHECK(kept.erase("validation_data_sha256") + kept.erase("tokenizer_sha256") == 2);
    metadata["recipe"] = kept.dump();
    write_safetensors(state, tensors, metadata);
  }
  CHECK(error().empty());
}

TEST_CASE("new tokens of a checkpoint start as the token << does, every other weight as it was") {
  at::set_num_threads(1);
  const Files files;
  train_method(recipe_config(files.recipe("cot")), files.folder / "cot", false, {});
  Json recipe = files.recipe("pause");
  for (const char* field : {"model", "tokenizer"}) recipe.erase(field);
  recipe.update({{"init", (files.folder / "cot").string()},
                 {"latents", 2},
                 {"steps", 1},
                 {"learning_rate", 0},
                 {"add_tokens", {"<|pause|>", "<|more|>"}},
                 {"markers", {{"pause", "<|pause|>"}}}});
  train_method(recipe_config(recipe), files.folder / "pause", false, {});
  const auto before = load_model(files.folder / "cot"), after = load_model(files.folder / "pause");
  const auto tokenizer = load_tokenizer(files.folder / "pause");
  CHECK(tokenizer->id_of("<|pause|>") == 280);
  CHECK(tokenizer->encode("a<|more|>") == std::vector<int64_t>{tokenizer->encode("a")[0], 281});
  CHECK(after->config().vocab_size == 282);
  for (const auto& [name, weight] : before->weights()) {
    CAPTURE(name);
    const at::Tensor& now = after->weights().at(name);
    if (name != "embedding") {
      CHECK(at::equal(weight, now));
      continue;
    }
    CHECK(at::equal(now.narrow(0, 0, 280), weight));
    CHECK(at::equal(now[280], weight[279]));
    CHECK(at::equal(now[281], weight[279]));
  }
}

TEST_CASE("a generated task's checkpoint knows how its problems are made") {
  at::set_num_threads(1);
  const ScratchFolder scratch;
  const Json recipe = {{"method", "coconut"},
                       {"task", "pointer"},
                       {"generator", {{"depth", {1, 2}}, {"nodes", 8}}},
                       {"latents", 2},
                       {"steps", 2},
                       {"batch", 2},
                       {"model", {{"hidden_size", 16}, {"intermediate_size", 16}}}};
  const TrainConfig config = recipe_config(recipe);
  train_method(config, scratch / "out", false, {});
  const auto settings = read_method_settings(read_json(scratch / "out" / "config.json", "test"), "test");
  CHECK(settings.task == "pointer");
  CHECK(settings.generator == Json{{"depth", {1, 2}}, {"kind", "permutation"}, {"labels", 32}, {"nodes", {8, 8}}});
  CHECK(Json::parse(to_json(read_method_settings({{"tacit", Json::parse(to_json(settings).dump())}}, "test")).dump()) ==
        Json::parse(to_json(settings).dump()));
  CHECK(load_model(scratch / "out")->config().vocab_size == 40);
  // Training, validation and what a seed of an evaluation gives are different problems.
  const TrainData data = open_train_data(config);
  std::set<std::string> questions;
  for (int64_t i = 0; i < 100; ++i) questions.insert(data.training(0, i).question);
  for (const Example& example : data.validation) CHECK(!questions.contains(example.question));
  const Json other = {{"method", "cot"}, {"task", "chain"}, {"init", (scratch / "out").string()}, {"steps", 1}};
  CHECK_THROWS_WITH_AS(train_method(recipe_config(other), scratch / "other", false, {}),
                       doctest::Contains("expected 'a' as token 10 but got '10'"), Error);
}

TEST_CASE("recipes that cannot be are refused by field, and leave no folder") {
  const Files files;
  struct Case {
    Json change;
    std::string message;
  };
  const std::vector<Case> read = {
      {{{"task", "gsm8k"}}, "expected 'task' to be one of reach, pointer"},
      {{{"data", nullptr}}, "expected 'data' to be the file of task gsm8k_aug"},
      {{{"tokenizer", nullptr}}, "expected 'tokenizer' to be a folder with a tokenizer, or 'init' a checkpoint"},
      {{{"init", "x"}, {"model", nullptr}}, "expected 'tokenizer' to be absent: 'init' has its own"},
      {{{"model", nullptr}}, "expected 'model' to be a config.json, or 'init' a checkpoint"},
      {{{"reach", {{"labels", 40}}}}, "expected 'reach' to be absent: it belongs to task reach"},
      {{{"generator", {{"depth", 2}}}}, "expected 'generator' to be absent"},
      {{{"add_tokens", {"<a>", "<a>"}}}, "expected 'add_tokens' to hold different tokens"},
      {{{"markers", {{"answr", "###"}}}}, "did you mean 'answer'?"},
      {{{"markers", {{"answer", 3}}}}, "expected 'markers.answer' to be a string"},
      {{{"task", "chain"}, {"data", nullptr}, {"tokenizer", nullptr}, {"generator", {{"modulu", 3}}}}, "'modulus'?"},
      {{{"task", "chain"}, {"tokenizer", nullptr}}, "expected 'data' to be absent: it belongs to tasks prosqa"},
  };
  for (const auto& [change, message] : read) {
    CAPTURE(change.dump());
    Json recipe = files.recipe("direct");
    recipe.merge_patch(change);
    const std::string error = error_of([&] { recipe_config(recipe); });
    CHECK_MESSAGE(error.find(message) != error.npos, error);
  }
  const std::vector<Case> trained = {
      {{{"data", (files.folder / "nowhere").string()}}, "nowhere"},
      {{{"tokenizer", files.folder.path().string()}}, "expected tokenizer.json"},
      {{{"markers", {{"pause", "<p>"}}}}, "expected the marker '<p>' to be one token"},
      {{{"add_tokens", {"hello"}}}, "expected new tokens in 'add_tokens' but 'hello' is one"},
      {{{"add_tokens", {"<p>"}}}, "expected a model with a vocabulary of at least 281 words but got 280"},
      {{{"model", {{"n_positions", 8}}}}, "expected at most 8 positions"},
      {{{"method", "frontier"}}, "but those of 'gsm8k_aug' lack it"},
      {{{"method", "pause"}}, "expected a pause token in 'markers'"},
  };
  for (const auto& [change, message] : trained) {
    CAPTURE(change.dump());
    Json recipe = files.recipe("direct");
    recipe.merge_patch(change);
    const std::string error = error_of([&] { train_method(recipe_config(recipe), files.folder / "out", false, {}); });
    CHECK_MESSAGE(error.find(message) != error.npos, error);
    CHECK_FALSE(exists(files.folder / "out"));
  }
}
