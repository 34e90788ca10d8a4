#pragma once

#include <boost/program_options/options_description.hpp>
#include <cstdint>
#include <filesystem>
#include <functional>
#include <initializer_list>
#include <limits>
#include <optional>
#include <set>
#include <stdexcept>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "lib/core/json.h"

namespace tacit {

// The command line cannot be understood: exit 2.
class UsageError : public std::runtime_error {
 public:
  using std::runtime_error::runtime_error;
};

// Options that several subcommands have, with the same meaning everywhere.
struct CommonOptions {
  std::filesystem::path model;              // checkpoint directory
  std::string method = "latent";            // "latent" = the one that the checkpoint's config names
  int64_t latents = -1;                     // -1 = the checkpoint's own
  std::vector<std::string> method_options;  // NAME=VALUE
  int64_t recurrences = 0;                  // 0 = the checkpoint's own
  std::string device = "cpu";
  std::string dtype = "fp32";
  std::string weights = "dtype";  // or int8
  // Of MethodSettings, in place of the checkpoint's own where given.
  std::optional<std::string> think_marker, answer_marker, end_marker;
  int64_t max_words = -1;
  uint64_t seed = 0;
  int64_t batch = 32;
  int64_t threads = 0;  // 0 = as many as there are cores
  bool json = false;
};

// What a subcommand reads from its command line: a thin layer over Boost.Program_options. The variables that options
// are bound to keep their value unless the option is given, in --config FILE or, which wins, on the command line (a
// flag that the file sets cannot be unset).
//
//   Options options("tokenize", "Text to token ids and back.", "tacit tokenize --model models/frontier --text \"3 5
//   |\""); options.common(common, {"model", "json"}); options.add("text", "S", &text, "text to tokenize"); if
//   (!options.parse(args)) return kDone;  // --help was asked for and is printed
class Options {
 public:
  // `command` as typed after "tacit"; `example` may have several lines, each a shell command that runs as written in
  // the folder that holds models/.
  Options(std::string command, std::string description, std::string example);

  // Any of model, method, option, latents, recurrences, words (--max-words and markers), device, dtype, weights, seed,
  // batch, threads, json and config (the JSON file).
  void common(CommonOptions& common, std::initializer_list<std::string_view> names);

  // An option with a value; `value` names it in --help. Numbers below `low` or above `high` are refused.
  void add(const std::string& name, const std::string& value, std::string* to, const std::string& help);
  void add(const std::string& name, const std::string& value, std::filesystem::path* to, const std::string& help);
  void add(const std::string& name, const std::string& value, int64_t* to, const std::string& help,
           int64_t low = std::numeric_limits<int64_t>::min(), int64_t high = std::numeric_limits<int64_t>::max());
  void add(const std::string& name, const std::string& value, uint64_t* to, const std::string& help);
  void add(const std::string& name, const std::string& value, double* to, const std::string& help,
           double low = std::numeric_limits<double>::lowest());
  void add(const std::string& name, const std::string& value, std::optional<uint64_t>* to, const std::string& help);
  void add(const std::string& name, const std::string& value, std::optional<std::string>* to, const std::string& help);
  void add(const std::string& name, const std::string& value, std::vector<std::string>* to,
           const std::string& help);  // may repeat
  // One of `choices`.
  void choice(const std::string& name, std::vector<std::string> choices, std::string* to, const std::string& help);
  void flag(const std::string& name, bool* to, const std::string& help);

  // Arguments without a dash, in order; each must be there, but for those that are optional, which come last.
  void positional(const std::string& value, std::string* to, const std::string& help, bool optional = false);
  // All that follow, at least one; stands last.
  void positional(const std::string& value, std::vector<std::string>* to, const std::string& help);

  // Fills the variables. False: --help was asked for and has been printed on stdout. Throws UsageError, suggesting the
  // nearest option for an unknown one.
  bool parse(const std::vector<std::string>& args);

  bool given(const std::string& name) const;           // on the command line or in the config file
  void require_option(const std::string& name) const;  // UsageError unless given
  // UsageError when one of `names` is given, which has no meaning beside `beside`: an option, or in words what else.
  void reject_given(std::initializer_list<std::string_view> names, std::string_view beside) const;
  // UsageError when one of `names` is given, which would do nothing but for `use`.
  void reject_useless(std::initializer_list<std::string_view> names, std::string_view use) const;
  [[noreturn]] void reject(const std::string& what) const;  // UsageError("[command] what")
  std::string help() const;

 private:
  struct Option {
    std::string name;
    bool flag = false, repeats = false;
    std::function<void(const std::string& text)> set;
  };
  struct Positional {
    std::string value, help;
    std::string* to;
    bool optional = false;
    std::vector<std::string>* all = nullptr;  // in place of `to`: this and what follows
  };
  void declare(const std::string& name, const std::string& value, const std::string& help, Option option);
  const Option* find(const std::string& name) const;
  std::vector<std::string> names() const;
  [[noreturn]] void reject_value(const std::string& name, const std::string& expectation,
                                 const std::string& text) const;
  // Name and text of every option on the command line; fills `words` with the arguments without a dash.
  std::vector<std::pair<std::string, std::string>> read_arguments(std::vector<std::string> args,
                                                                  std::vector<std::string>& words) const;
  void read_config(const std::filesystem::path& file);
  void set_positional(const std::vector<std::string>& words);

  std::string command_, description_, example_;
  boost::program_options::options_description visible_;
  std::vector<Option> options_;
  std::vector<Positional> positional_;
  std::set<std::string> given_;
  std::filesystem::path config_;
};

// {"NAME": VALUE, ..} of --option: a value is JSON where it can be read as such (0.6, true), else text.
Json parse_method_options(const std::vector<std::string>& given);

}  // namespace tacit
