#include <algorithm>
#include <iostream>

#include "apps/commands.h"
#include "apps/data_commands.h"
#include "apps/options.h"
#include "apps/reach_options.h"
#include "apps/runtime.h"
#include "eval/public_tasks.h"
#include "eval/task.h"
#include "lib/core/nearest.h"

namespace tacit {
namespace {

std::string listed_names(const std::vector<std::string>& parts) {
  std::string out;
  for (const std::string& each : parts) out += (out.empty() ? "" : ", ") + each;
  return out;
}

OrderedJson task_json(const Task& task) {
  OrderedJson out = {{"summary", task.summary},
                     {"generated", task.generated},
                     {"needs_data", !task.generated && task.data.empty()},
                     {"formats", task.formats},
                     {"published", task.published},
                     {"licence", task.licence},
                     {"template", task.prompt.question},
                     {"scorers", OrderedJson::array()}};
  for (const Scorer& scorer : task.scorers) out["scorers"].push_back(scorer.name);
  return out;
}

void print_tasks() {
  std::cout << "Tasks ('--task'):\n";
  const std::string indent(18, ' ');
  for (const std::string& name : task_names()) {
    const Task& of = task(name);
    std::cout << "  " << name << std::string(indent.size() - 2 - name.size(), ' ') << of.summary << "\n";
    std::string from = of.generated ? "generated" : "needs '--data'";
    if (!of.formats.empty()) from += (of.generated ? "; reads " : ": ") + listed_names(of.formats);
    std::cout << indent << from << "\n";
    if (!of.published.empty()) std::cout << indent << of.published << "\n";
    if (!of.licence.empty()) std::cout << indent << "licence " << of.licence << "\n";
  }
}

int data_list(const std::vector<std::string>& args) {
  bool json = false;
  std::string spec;
  Options options("data list", "Tasks, where their files are published, and generators.", "tacit data list");
  options.flag("json", &json, "print JSON");
  options.add("spec", "NAME", &spec, "print a public task as a task file, to start an own one from");
  if (!options.parse(args)) return kDone;
  if (!spec.empty()) {
    // A task of one's own has a name of its own.
    const std::string text = public_task_json(spec), quoted = '"' + spec + '"';
    const size_t name = text.find(quoted);
    std::cout << text.substr(0, name) << "\"my_" << text.substr(name + 1) << "\n";
    return kDone;
  }
  OrderedJson generators = OrderedJson::object();
  for (const std::string& name : generated_task_names()) generators[name] = open_generator(name).options.dump();
  if (json) {
    OrderedJson tasks = OrderedJson::object();
    for (const std::string& name : task_names()) tasks[name] = task_json(task(name));
    std::cout << dump({{"tasks", tasks}, {"generators", generators}}, 2) << "\n";
    return kDone;
  }
  print_tasks();
  std::cout << "\nAll read JSON lines of examples too (tacit data generate, convert), one a line: id, question, steps, "
               "answer, choices, meta.\nAn own task is a file, '--task NAME.json': docs/tasks.md, 'tacit data list "
               "--spec gsm8k'.\n\nGenerators, with their options:\n";
  for (const auto& [name, text] : generators.items()) {
    std::cout << "  " << name << std::string(16 - name.size(), ' ') << text.get<std::string>() << "\n";
  }
  return kDone;
}

const std::vector<Command>& actions() {
  static const std::vector<Command> all = {
      {"generate", "problems of a generated task, as JSON lines", data_generate},
      {"convert", "a benchmark's own file as JSON lines, and back", data_convert},
      {"show", "one example as a model is asked it", data_show},
      {"audit", "what rules score that never do the reasoning", data_audit},
      {"list", "tasks, and where their files are published", data_list},
  };
  return all;
}

void print_data_help(std::ostream& out) {
  out << "Generate, convert, show and audit data sets.\n\nUsage: tacit data ACTION [options]\n\nActions:\n";
  for (const Command& action : actions()) {
    out << "  " << action.name << std::string(10 - action.name.size(), ' ') << action.summary << "\n";
  }
  out << "\n'tacit data ACTION --help' lists an action's options.\n\nExample:\n"
         "  tacit data generate reach --count 1000 --seed 7 --out problems.jsonl\n"
         "  tacit data audit problems.jsonl\n";
}

int run_data(const std::vector<std::string>& args) {
  if (args.empty()) {
    print_data_help(std::cerr);
    return kWrongUsage;
  }
  if (args[0] == "--help" || args[0] == "-h" || args[0] == "help") {
    print_data_help(std::cout);
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
