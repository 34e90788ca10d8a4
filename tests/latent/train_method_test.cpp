#include "latent/train_method.h"

#include <ATen/Parallel.h>
#include <doctest/doctest.h>

#include <set>

#include "lib/core/error.h"
#include "lib/core/files.h"
#include "lib/core/folder_lock.h"
#include "lib/core/safetensors.h"
#include "lib/model/checkpoint.h"
#include "tests/latent/small_recipe.h"
#include "tests/lib/core_support.h"

using namespace tacit;

namespace {

// A folder that is not there yet, apart from those of other runs of this test.
struct Folder {
  ScratchFolder scratch;
  std::filesystem::path path;
  explicit Folder(const std::string& name) : path(scratch / name) {}
};

TrainConfig small_config(const std::string& method) {
  return train_config_from_json(test::small_recipe(method), "test");
}

std::string metrics_without_time(const std::filesystem::path& folder) {
  std::string out;
  for_each_line(folder / "metrics.jsonl", "test", [&](std::string_view text, int64_t) {
    Json line = Json::parse(text);
    line.erase("ms");
    out += line.dump() + "\n";
  });
  return out;
}

const std::vector<std::string> kEmbedded = {"walk", "direct", "cot", "cot-frontier", "coconut", "pause", "frontier"};
std::vector<std::string> embedded_and(const std::vector<std::string>& more) {
  std::vector<std::string> out = kEmbedded;
  out.insert(out.end(), more.begin(), more.end());
  return out;
}

const std::vector<std::string> methods =
    embedded_and({"codi", "sim-cot", "pccot", "lotus", "icot", "colar", "universal", "huginn", "ouro", "trm"});
// Of those that share a loss, one.
const std::vector<std::string> interrupted = embedded_and({"sim-cot", "lotus", "icot", "colar", "universal", "trm"});
const std::vector<std::string> learning =
    embedded_and({"codi", "lotus", "icot", "colar", "universal", "huginn", "ouro", "trm"});

}  // namespace

TEST_CASE("a training that was interrupted anywhere and resumed ends with the bytes of an undisturbed one") {
  at::set_num_threads(1);
  for (const std::string& name : interrupted) {
    INFO(name);
    const TrainConfig config = small_config(name);
    Folder whole("whole"), parts("parts");
    train_method(config, whole.path, false, {});
    for (int64_t stop : {2, 5, 6}) {
      const auto until = [stop](const Progress& p) { return p.done < stop; };
      CHECK_THROWS_AS(train_method(config, parts.path, stop > 2, until), Interrupted);
    }
    train_method(config, parts.path, true, {});
    for (const char* file :
         {"model.safetensors", "training_state.safetensors", "config.json", "tokenizer.json", "train.json"}) {
      CHECK(read_file(whole.path / file, "test") == read_file(parts.path / file, "test"));
    }
    CHECK(metrics_without_time(whole.path) == metrics_without_time(parts.path));
  }
}

TEST_CASE("work done after the last checkpoint is redone alike when a kill loses it") {
  at::set_num_threads(1);
  const TrainConfig config = small_config("frontier");
  Folder whole("whole"), killed("killed");
  train_method(config, whole.path, false, {});
  // Stop after step 7, then put step 4's state back: what a kill between the two leaves, metrics already
  // ahead.
  CHECK_THROWS_AS(train_method(config, killed.path, false, [](const Progress& p) { return p.done < 4; }), Interrupted);
  const std::string early = read_file(killed.path / "training_state.safetensors", "test");
  CHECK_THROWS_AS(train_method(config, killed.path, true, [](const Progress& p) { return p.done < 7; }), Interrupted);
  write_file_atomic(killed.path / "training_state.safetensors", early, "test");
  train_method(config, killed.path, true, {});
  CHECK(read_file(whole.path / "model.safetensors", "test") == read_file(killed.path / "model.safetensors", "test"));
  CHECK(metrics_without_time(whole.path) == metrics_without_time(killed.path));
}

TEST_CASE("training lowers its loss and leaves a checkpoint that can be opened") {
  for (const std::string& name : learning) {
    INFO(name);
    TrainConfig config = small_config(name);
    config.trainer.schedule.steps = 80;
    config.trainer.learning_rate = 0.02;
    config.trainer.schedule.warmup_steps = 5;
    config.trainer.checkpoint_every = 80;
    config.trainer.accumulate = 1;
    config.growth.fraction = 0;
    config.curriculum_fraction = 0;
    Folder folder("learn");
    train_method(config, folder.path, false, {});
    std::vector<double> losses;
    for_each_line(folder.path / "metrics.jsonl", "test", [&](std::string_view text, int64_t) {
      const Json line = Json::parse(text);
      if (line.contains("loss")) losses.push_back(line["loss"]);
    });
    REQUIRE(losses.size() == 80);
    const auto mean = [&](size_t begin) { return (losses[begin] + losses[begin + 1] + losses[begin + 2]) / 3; };
    CHECK(mean(77) < 0.8 * mean(0));
    const auto usual = tacit::method(name).model;
    const std::string family =
        usual ? usual(default_train_config("direct").model, tacit::method(name).options).at("model_type") : "tacit";
    CHECK(load_model(folder.path)->config().family == family);
    CHECK(read_method_settings(read_json(folder.path / "config.json", "test"), "test").method == name);
  }
}

TEST_CASE("a recipe may choose what each layer remembers, and its training leaves a checkpoint that can be opened") {
  for (const std::string type : {"sliding_attention", "rwkv7", "log_linear"}) {
    INFO(type);
    Json recipe = test::small_recipe("coconut");
    recipe["model"]["layer_types"] = {type, "full_attention"};
    if (type == "sliding_attention") recipe["model"]["sliding_window"] = 4;
    if (type == "rwkv7") recipe["model"]["rwkv7_low_rank"] = 4;
    Folder folder("hybrid");
    train_method(train_config_from_json(recipe, "test"), folder.path, false, {});
    const ModelConfig trained = load_model(folder.path)->config();
    CHECK((trained.layer(0).window == 4) == (type == "sliding_attention"));
    CHECK((trained.layer(0).mixer == MixerKind::rwkv7) == (type == "rwkv7"));
    CHECK((trained.layer(0).mixer == MixerKind::log_linear) == (type == "log_linear"));
    CHECK((trained.layer(1).mixer == MixerKind::attention));
  }
}

TEST_CASE("a recipe as written by a training reads back as itself, and says every choice") {
  for (const std::string& name : methods) {
    INFO(name);
    const TrainConfig config = small_config(name);
    const Json written = Json::parse(to_json(config).dump());
    CHECK(Json::parse(to_json(train_config_from_json(written, "test")).dump()) == written);
    const Json recipe = test::small_recipe(name);
    Json plain = recipe;
    plain.erase("growth");
    if (name == "walk") plain.erase("walk_question"), plain["reach"] = {{"kind", "random"}, {"acyclic", true}};
    const Json other = Json::parse(to_json(train_config_from_json(plain, "test")).dump());
    CHECK(Json::parse(to_json(train_config_from_json(other, "test")).dump()) == other);
    for (const auto& [field, value] : recipe.items()) {
      CAPTURE(field);
      REQUIRE(written.contains(field));
      if (!value.is_object()) CHECK(written.at(field) == value);
    }
  }
}

TEST_CASE("the recipes of the embedded models read back as themselves") {
  for (const std::string& name : kEmbedded) {
    INFO(name);
    const auto file = std::filesystem::path(TACIT_SOURCE_DIR) / "models" / name / "train.json";
    const TrainConfig config = train_config_from_json(read_json(file, "test"), file.string());
    CHECK(to_json(config).dump(2) + "\n" == read_file(file, "test"));
  }
}

TEST_CASE("a training starts from another's weights, in the same vocabulary only") {
  at::set_num_threads(1);
  Folder first("first"), second("second");
  train_method(small_config("walk"), first.path, false, {});
  Json recipe = test::small_recipe("frontier");
  recipe.erase("model");
  recipe.update({{"init", first.path.string()}, {"steps", 1}, {"learning_rate", 0}});
  train_method(train_config_from_json(recipe, "test"), second.path, false, {});
  const auto before = load_model(first.path), after = load_model(second.path);
  for (const auto& [name, weight] : before->weights()) CHECK(at::equal(weight, after->weights().at(name)));

  // A decoder's stack runs again, with the same weights.
  Folder looped("looped");
  Json again = recipe;
  again.update({{"method", "universal"}, {"options", {{"mean_recurrences", 3}}}});
  again.erase("latents");
  train_method(train_config_from_json(again, "test"), looped.path, false, {});
  const auto deep = load_model(looped.path);
  CHECK(deep->config().family == "universal");
  CHECK(deep->config().depth.recurrences == 3);
  for (const auto& [name, weight] : before->weights()) CHECK(at::equal(weight, deep->weights().at(name)));

  Folder third("third");
  recipe["reach"]["labels"] = 9;
  CHECK_THROWS_WITH_AS(train_method(train_config_from_json(recipe, "test"), third.path, false, {}),
                       doctest::Contains("expected '|' as token 9 but got '9'"), Error);
  CHECK_THROWS_WITH_AS(
      train_method(small_config("direct"), std::filesystem::path(TACIT_SOURCE_DIR) / "models/walk", false, {}),
      doctest::Contains("without a training; choose another folder"), Error);
}

TEST_CASE("a training that is refused leaves no folder") {
  const std::vector<std::pair<Json, std::string>> cases = {
      {{{"reach", {{"labels", 10}}}}, "expected 28 labels"},
      {{{"method", "walk"}, {"walk_length", 1000}}, "expected at most 512 positions"},
      {{{"latents", 600}}, "expected at most 512 positions"},
      {{{"growth", {{"fraction", 1}, {"min_nodes", -5}}}}, "min_nodes -5"},
      {{{"growth", {{"fraction", 1}, {"max_nodes", 40}}}}, "expected 40 labels"},
      {{{"reach", {{"min_depth", 40}, {"max_depth", 50}}}}, "expected a min_depth of at most 15"},
      {{{"reach", {{"max_nodes", 5000}, {"labels", 5000}}}}, "max_nodes 5000"},
  };
  for (const auto& [recipe, message] : cases) {
    CAPTURE(recipe.dump());
    Folder folder("refused");
    const TrainConfig config = train_config_from_json(recipe, "test");
    CHECK_THROWS_WITH_AS(train_method(config, folder.path, false, {}), doctest::Contains(message.c_str()), Error);
    CHECK_FALSE(exists(folder.path));
  }
}

TEST_CASE("a training that is asked to replay what cannot be recorded is refused and leaves no folder") {
  const std::string loss = "expected a loss and a model that can be recorded (latent/graphed_loss.h) but got those of ",
                    device = "expected a CUDA device and a LibTorch that record work there but got none";
  const std::vector<std::tuple<std::string, Json, std::string>> cases = {
      {"frontier", Json::object(), loss + "method 'frontier'"},  // targets for thoughts
      {"codi", Json::object(), loss + "method 'codi'"},          // a loss of its own
      {"coconut", {{"recompute", true}}, loss},
      {"coconut", {{"lora", {{"rank", 2}}}}, loss},
      {"coconut", Json::object(), device},
  };
  for (const auto& [method, fields, message] : cases) {
    CAPTURE(method);
    CAPTURE(fields.dump());
    Json recipe = test::small_recipe(method);
    recipe.update(fields);
    Folder folder("refused");
    TrainConfig config = train_config_from_json(recipe, "test");
    config.graphs = true;
    CHECK_THROWS_WITH_AS(train_method(config, folder.path, false, {}), doctest::Contains(message.c_str()), Error);
    CHECK_FALSE(exists(folder.path));
  }
}

TEST_CASE("a training remembers all options, those left at their defaults too, and a method's revision") {
  Method own = method("coconut");
  own.name = "revised";
  own.revision = "2";
  register_method(own);
  Json recipe = test::small_recipe("coconut");
  recipe["method"] = "revised";
  Folder folder("out");
  train_method(train_config_from_json(recipe, "test"), folder.path, /*resume=*/false, {});
  const Safetensors state = read_safetensors(folder.path / "training_state.safetensors");
  const Json kept = Json::parse(state.metadata.at("recipe"));
  CHECK(kept.at("options_with_defaults") == own.options);
  CHECK_FALSE(kept.contains("options"));
  CHECK(kept.at("revision") == "2");
}

TEST_CASE("a folder that holds somebody's files is left as it is") {
  for (const char* name :
       {"tokenizer.json", "tokenizer.model", "config.json", "a.safetensors", "train.json", "metrics.jsonl"}) {
    CAPTURE(name);
    Folder folder("theirs");
    std::filesystem::create_directories(folder.path);
    write_file_atomic(folder.path / name, "theirs", "test");
    CHECK_THROWS_WITH_AS(train_method(small_config("direct"), folder.path, true, {}),
                         doctest::Contains((folder.path / name).c_str()), Error);
    CHECK(read_file(folder.path / name, "test") == "theirs");
    CHECK(std::distance(std::filesystem::directory_iterator(folder.path), {}) == 1);
  }
}

TEST_CASE("of two trainings that begin in one folder the second leaves neither its recipe nor a tokenizer") {
  const TrainConfig config = small_config("direct");
  Folder folder("out");
  std::filesystem::create_directories(folder.path);
  {
    const FolderLock first(folder.path, "test");
    CHECK_THROWS_WITH_AS(train_method(config, folder.path, false, {}),
                         doctest::Contains("[train] expected to be alone in writing to"), Error);
  }
  CHECK(std::filesystem::is_empty(folder.path));
}

TEST_CASE("what a kill before the first state leaves is begun again") {
  at::set_num_threads(1);
  const TrainConfig config = small_config("direct");
  Folder whole("whole"), killed("killed");
  train_method(config, whole.path, false, {});
  std::filesystem::create_directories(killed.path);
  for (const char* name : {"train.json", "tokenizer.json", "metrics.jsonl"})
    std::filesystem::copy_file(whole.path / name, killed.path / name);
  train_method(config, killed.path, true, {});
  CHECK(metrics_without_time(whole.path) == metrics_without_time(killed.path));
}

TEST_CASE("a training state that no training can have left is refused before the log is cut") {
  const TrainConfig config = small_config("direct");
  Folder folder("state");
  train_method(config, folder.path, false, {});
  const auto state = folder.path / "training_state.safetensors";
  const std::string log = read_file(folder.path / "metrics.jsonl", "test"), good = read_file(state, "test");
  const Safetensors file = read_safetensors(state);
  std::map<std::string, TensorToWrite> tensors;
  for (const auto& [name, view] : file.tensors) tensors[name] = {view.type, view.shape, view.bytes};
  const std::pair<const char*, const char*> cases[] = {{"step", "abc"},  {"step", "-5"},    {"step", "99999"},
                                                       {"step", "0"},    {"step", "9 "},    {"step", ""},
                                                       {"updates", "x"}, {"updates", "-1"}, {"updates", "10"}};
  for (const auto& [name, value] : cases) {
    CAPTURE(name);
    CAPTURE(value);
    auto metadata = file.metadata;
    metadata[name] = value;
    write_safetensors(state, tensors, metadata);
    const std::string message = std::string("but got '") + value + "' in the metadata of " + state.string();
    CHECK_THROWS_WITH_AS(train_method(config, folder.path, true, {}), doctest::Contains(message.c_str()), Error);
    CHECK(read_file(folder.path / "metrics.jsonl", "test") == log);
  }
}

TEST_CASE("a checkpoint that a kill kept from being written comes with the next resume") {
  at::set_num_threads(1);
  const TrainConfig config = small_config("cot");
  Folder folder("late");
  train_method(config, folder.path, false, {});
  const std::string weights = read_file(folder.path / "model.safetensors", "test");
  std::filesystem::remove(folder.path / "model.safetensors");
  train_method(config, folder.path, true, {});
  CHECK(read_file(folder.path / "model.safetensors", "test") == weights);
}

TEST_CASE("a folder that holds another training is neither overwritten nor resumed") {
  const TrainConfig config = small_config("direct");
  Folder folder("other");
  train_method(config, folder.path, false, {});
  const std::string before = read_file(folder.path / "train.json", "test");
  CHECK_THROWS_WITH_AS(train_method(config, folder.path, false, {}),
                       doctest::Contains("resume it or choose another folder"), Error);
  TrainConfig other = config;
  other.trainer.learning_rate = 0.5;
  CHECK_THROWS_WITH_AS(train_method(other, folder.path, true, {}),
                       doctest::Contains("'learning_rate' of 0.001 but got 0.5"), Error);
  CHECK(read_file(folder.path / "train.json", "test") == before);
}

TEST_CASE("training data: a pure function of step and index, apart from the problems that evaluation draws") {
  const TrainConfig config = small_config("direct");
  std::set<std::string> seen;
  for (int64_t i = 0; i < 200; ++i) {
    const Example once = training_example(config, 8, i);
    CHECK(once.question == training_example(config, 8, i).question);
    seen.insert(once.question);
  }
  for (int64_t i = 0; i < 200; ++i) {
    const Example drawn = reach_example(config.reach, config.seed, i);
    CHECK_FALSE(seen.contains(drawn.question));
  }
}

TEST_CASE("sizes grow from the first to the final range and stay there") {
  const TrainConfig config = train_config_from_json({{"steps", 100}, {"growth", {{"fraction", 0.5}}}}, "test");
  CHECK(reach_at(config, 0).graph.min_nodes == 8);
  CHECK(reach_at(config, 0).graph.max_depth == 4);
  int64_t last = 0;
  for (int64_t step = 0; step < 100; ++step) {
    const GraphOptions g = reach_at(config, step).graph;
    CHECK(g.max_nodes >= last);
    CHECK(g.min_nodes <= g.max_nodes);
    CHECK(g.max_nodes <= 28);
    last = g.max_nodes;
  }
  CHECK(reach_at(config, 50).graph.min_nodes == 17);
  CHECK(reach_at(config, 50).graph.min_depth == 3);
}

TEST_CASE("teacher forcing fades out over its share of the steps") {
  const TrainConfig config = train_config_from_json(
      {{"steps", 1000}, {"frontier", "explored"}, {"through_thoughts", false}, {"teacher_forcing", 0.8}}, "test");
  CHECK(teacher_forcing_at(config, 0) == 1);
  CHECK(teacher_forcing_at(config, 400) == doctest::Approx(0.5));
  CHECK(teacher_forcing_at(config, 800) == 0);
  CHECK(teacher_forcing_at(config, 999) == 0);
}

TEST_CASE("a recipe that cannot be is refused by field") {
  struct Case {
    Json json;
    std::string message;
  };
  const std::vector<Case> cases = {
      {{{"stepz", 5}}, "stepz"},
      {{{"steps", 0}}, "'steps' to be at least 1"},
      {{{"method", "coconutt"}}, "did you mean 'coconut'?"},
      {{{"task", "gsm8k"}}, "'task' to be one of reach, pointer"},
      {{{"frontier", "edge"}}, "'frontier' to be level or explored"},
      {{{"teacher_forcing", 0.5}, {"frontier", "level"}}, "'teacher_forcing' to be 0 unless"},
      {{{"teacher_forcing", 0.5}, {"through_thoughts", true}}, "'through_thoughts' to be false"},
      {{{"method", "coconut"}, {"through_thoughts", false}}, "'through_thoughts' to be absent"},
      {{{"method", "direct"}, {"recompute", true}}, "'recompute' to be absent"},
      {{{"method", "coconut"}, {"walk_length", 8}}, "'walk_length' to be absent"},
      {{{"method", "direct"}, {"reset_optimizer", true}}, "'reset_optimizer' to be absent"},
      {{{"method", "direct"}, {"latents", 4}},
       "'latents' to be absent, or the default 6: it belongs to methods with a number of thoughts"},
      {{{"method", "walk"}, {"latents", 2}}, "'latents' to be absent"},
      {{{"method", "coconut"}, {"thought_weight", 2}},
       "'thought_weight' to be absent, or the default 1.0: it belongs to method"},
      {{{"init", "models/walk"}, {"matched_attention", true}}, "'matched_attention' to be absent"},
      {{{"model", {{"num_layers", 4}}}}, "num_layers"},
      {{{"learning_rate", -1}}, "'learning_rate' to be at least 0"},
      {{{"final_ratio", 5}}, "'final_ratio' to lie in 0..1"},
      {{{"beta1", 1}}, "'beta1' to lie in 0..1, 1 excluded"},
      {{{"seed", -1}}, "'seed' to be at least 0"},
      {{{"method", "pause"}, {"curriculum_fraction", 1}}, "'curriculum_fraction' to lie in 0..1"},
      {{{"reach", {{"nodes", 4}}}}, "reach.nodes"},
      {{{"reach", {{"labels", 1000000000000}}}}, "'reach.labels' to be an integer from 2 to 65536"},
      {{{"latents", 1048577}}, "'latents' to be an integer from 0 to 1048576"},
      {{{"method", "walk"}, {"walk_length", 1000000000000}}, "'walk_length' to be an integer from 1 to 1048576"},
      {{{"reach", {{"acyclic", true}}}}, "'reach.acyclic' to be absent: it belongs to kind random"},
      {{{"reach", {{"edges_per_node", 2}}}}, "'reach.edges_per_node' to be absent"},
      {{{"growth", {{"min_nodes", 9}}}}, "'growth.min_nodes' to be absent: it belongs to a fraction above 0"},
      {{{"method", "walk"}, {"reach", {{"max_depth", 4}}}}, "'reach.max_depth' to be absent: it belongs to walks with"},
      {{{"method", "walk"}, {"growth", {{"fraction", 1}, {"min_depth", 2}}}}, "'growth.min_depth' to be absent"},
      {Json::array(), "expected a JSON object but got array"},
  };
  for (const Case& c : cases) {
    INFO(c.json.dump());
    CHECK_THROWS_WITH_AS(train_config_from_json(c.json, "recipe.json"), doctest::Contains(c.message.c_str()), Error);
  }
}
