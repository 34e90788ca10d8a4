#include <algorithm>
#include <iostream>

#include "apps/commands.h"
#include "apps/data_commands.h"
#include "apps/options.h"
#include "apps/reach_options.h"
#include "apps/runtime.h"
#include "eval/task.h"
#include "lib/core/nearest.h"

namespace tacit {
namespace {

int data_list(const std::vector<std::string>& args) {
  bool json = false;
  Options options("data list", "Tasks, and the files they read.", "tacit data list");
  options.flag("json", &json, "print JSON");
  if (!options.parse(args)) return kDone;
  OrderedJson tasks = OrderedJson::object();
  for (const std::string& name : task_names()) tasks[name] = task(name).summary;
  const OrderedJson files = {
      {"JSON lines", "one example a line: id, question, steps, answer, meta (tacit data generate, convert)"},
      {"ProsQA JSON",
       "a list of question, steps, answer, edges, root, target, neg_target .. (facebookresearch/coconut)"},
      {"Coconut JSON", "a list of question, steps, answer (facebookresearch/coconut)"},
      {"GSM8K-Aug", "lines of question||<<a=b>> <<c=d>> #### answer (da03/Internalize_CoT_Step_by_Step)"}};
  OrderedJson generators = OrderedJson::object();
  for (const std::string& name : generated_task_names()) generators[name] = open_generator(name).options.dump();
  if (json) {
    std::cout << dump({{"tasks", tasks}, {"files", files}, {"generators", generators}}, 2) << "\n";
    return kDone;
  }
  auto print = [](const char* title, const OrderedJson& entries) {
    std::cout << title << "\n";
    for (const auto& [name, text] : entries.items()) {
      std::cout << "  " << name << std::string(std::max<size_t>(14, name.size() + 2) - name.size(), ' ')
                << text.get<std::string>() << "\n";
    }
  };
  print("Tasks:", tasks);
  print("\nFiles:", files);
  print("\nGenerators, with their options:", generators);
  return kDone;
}

const std::vector<Command>& actions() {
  static const std::vector<Command> all = {
      {"generate", "problems of a generated task, as JSON lines", data_generate},
      {"convert", "a benchmark's own file as JSON lines", data_convert},
      {"show", "one example, drawn", data_show},
      {"audit", "what rules score that never do the reasoning", data_audit},
      {"list", "tasks and file kinds", data_list},
  };
  return all;
}

void print_help(std::ostream& out) {
  out << "Generate, convert, show and audit data sets.\n\nUsage: tacit data ACTION [options]\n\nActions:\n";
  for (const Command& action : actions()) {
    out << "  " << action.name << std::string(10 - action.name.size(), ' ') << action.summary << "\n";
  }
  out << "\n'tacit data ACTION --help' lists an action's options.\n\nExample:\n"
         "  tacit data generate reach --count 1000 --seed 7 --out reach.jsonl\n"
         "  tacit data audit reach.jsonl\n";
}

int run_data(const std::vector<std::string>& args) {
  if (args.empty()) {
    print_help(std::cerr);
    return kWrongUsage;
  }
  if (args[0] == "--help" || args[0] == "-h" || args[0] == "help") {
    print_help(std::cout);
    return kDone;
  }
  std::vector<std::string> names;
  for (const Command& action : actions()) {
    if (action.name == args[0]) return action.run({args.begin() + 1, args.end()});
    names.push_back(action.name);
  }
  throw UsageError("[data] unknown action '" + args[0] + "'" + did_you_mean(args[0], names));
}

}  // namespace

Command data_command() { return {"data", "generate, convert, show and audit data sets", run_data}; }

}  // namespace tacit
