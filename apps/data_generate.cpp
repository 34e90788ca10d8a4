#include <algorithm>
#include <iostream>

#include "apps/command.h"
#include "apps/data_commands.h"
#include "apps/data_source.h"
#include "apps/progress_bar.h"
#include "apps/reach_options.h"
#include "datasets/coconut_file.h"
#include "eval/public_tasks.h"
#include "eval/task.h"
#include "lib/core/error.h"
#include "lib/core/nearest.h"

namespace tacit {
namespace {

// UsageError unless a generated task is called so.
void check_generated(const Options& options, const std::string& name) {
  if (is_generated(name)) return;
  const std::vector<std::string> known = generated_task_names();
  std::string listed;
  for (const std::string& each : known) listed += (listed.empty() ? "" : ", ") + each;
  options.reject("expected one of " + listed + " but got '" + name + "'" + did_you_mean(name, known));
}

void write_to(const std::filesystem::path& out, const std::vector<Example>& examples) {
  write_examples(out, examples);
  std::cerr << "tacit: wrote " << examples.size() << " examples to " << out.string() << "\n";
}

}  // namespace

Generator generator_of(const Options& options, const ReachFlags& flags, const std::string& task) {
  if (task != "reach") {
    flags.check(options, ReachSource::other, {});
    return open_generator(task, flags.generator_options({}), "'--generator'");
  }
  ReachOptions reach;
  flags.apply(reach);
  flags.check(options, ReachSource::generator, reach.style);
  Generator out;
  out.example = [reach](uint64_t seed, int64_t index) { return reach_example(reach, seed, index); };
  return out;
}

int data_generate(const std::vector<std::string>& args) {
  std::string name;
  int64_t count = 300;
  uint64_t seed = 0;
  std::filesystem::path out;
  bool force = false;
  ReachFlags flags;
  Options options("data generate",
                  "Generated problems as JSON lines. The same seed gives the same bytes on every machine.",
                  "tacit data generate reach --count 1000 --seed 7 --out reach.jsonl\n"
                  "tacit data generate chain --generator '{\"depth\": [3, 5]}' --seed 7 --out chain.jsonl");
  options.positional("TASK", &name, "reach, pointer, chain, listops, walks or maze");
  options.add("count", "N", &count, "problems (default 300)", 1);
  options.add("seed", "N", &seed, "(default 0)");
  options.add("out", "FILE", &out, "file to write");
  options.flag("force", &force, "write it anew where it exists");
  flags.add_text(options);
  flags.add_generator(options);
  if (!options.parse(args)) return kDone;
  check_generated(options, name);
  options.require_option("out");
  require(force || !std::filesystem::exists(out), "generate", "expected no file yet, or --force, at ", out.string());
  const std::filesystem::path folder = absolute(out).parent_path();
  require(is_directory(folder), "generate", "expected a folder for ", out.filename().string(), " but there is none at ",
          folder.string());

  const Generator generator = generator_of(options, flags, name);
  const ProgressCallback progress = progress_bar();
  std::vector<Example> examples;
  for (int64_t i = 0; i < count; ++i) {
    examples.push_back(generator.example(seed, i));
    if (!progress({"generate", i + 1, count, ""})) throw Interrupted("generate", "stopped; nothing was written");
  }
  write_to(out, examples);
  return kDone;
}

namespace {

void write_as(const std::string& format, const std::filesystem::path& out, const std::vector<Example>& examples) {
  if (format.empty() || format == "examples") return write_to(out, examples);
  format == "coconut" ? write_coconut_json(out, examples) : write_coconut_lines(out, examples);
  std::cerr << "tacit: wrote " << examples.size() << " examples to " << out.string() << "\n";
}

}  // namespace

int data_convert(const std::vector<std::string>& args) {
  std::string name, input, to;
  uint64_t seed = 0;
  std::filesystem::path out;
  ReachFlags flags;
  Options options("data convert",
                  "A benchmark's own file as JSON lines of examples, or examples as what trainings read.",
                  "curl -LO https://raw.githubusercontent.com/facebookresearch/coconut/main/data/prosqa_valid.json\n"
                  "tacit data convert prosqa prosqa_valid.json --style symbols --out prosqa.jsonl");
  options.positional("FORMAT", &name, "a task whose own file it is ('tacit data list'), a task file, or 'examples'");
  options.positional("FILE", &input, "the file");
  options.choice("to", {"examples", "coconut", "gsm8k_aug"}, &to,
                 "JSON lines of examples (default); Coconut's JSON; GSM8K-Aug's lines");
  flags.add_text(options);
  options.add("seed", "N", &seed, "of labels and orders in symbols (default 0)");
  options.add("out", "FILE", &out, "file to write");
  if (!options.parse(args)) return kDone;
  std::vector<std::string> formats = {"examples", "prosqa", "gsm8k_aug"};
  for (const TaskSpec& spec : public_tasks()) formats.push_back(spec.name);
  if (!is_task_file(name) && std::ranges::find(formats, name) == formats.end()) {
    std::string listed;
    for (const std::string& each : formats) listed += (listed.empty() ? "" : ", ") + each;
    options.reject("expected one of " + listed + ", or a task file, but got '" + name + "'" +
                   did_you_mean(name, formats));
  }
  options.require_option("out");
  const ReachSource source = source_of_data(name, input);
  ReachOptions reach;
  if (source == ReachSource::prosqa) reach.style = ReachStyle::english;  // as published, unless asked
  flags.apply(reach);
  flags.check(options, source, reach.style);
  write_as(to, out, name == "examples" ? read_examples(input) : read_data(name, input, reach, seed));
  return kDone;
}

}  // namespace tacit
