#include <iostream>

#include "apps/commands.h"
#include "apps/options.h"
#include "apps/runtime.h"
#include "eval/open_model.h"
#include "lib/core/error.h"
#include "lib/tokenizer/tokenizer.h"

namespace tacit {
namespace {

OrderedJson tokens_of(const Tokenizer& tokenizer, const std::string& text) {
  const std::vector<int64_t> ids = tokenizer.encode(text);
  OrderedJson tokens = OrderedJson::array();
  for (int64_t id : ids) tokens.push_back(tokenizer.token(id));
  return {{"ids", ids}, {"tokens", tokens}};
}

int run_tokenize(const std::vector<std::string>& args) {
  CommonOptions common;
  std::optional<std::string> text, ids;
  Options options("tokenize", "Text to token ids, or ids to text. Needs the checkpoint's tokenizer only, no weights.",
                  "tacit tokenize --model models/frontier --text \"3 5 | [R] 3\"\n"
                  "tacit tokenize --model models/frontier --ids 3,5,32");
  options.common(common, {"model"});
  options.add("text", "S", &text, "text to tokenize; no BOS or EOS is added");
  options.add("ids", "IDS", &ids, "ids to turn into text, separated by commas; special tokens are kept");
  options.common(common, {"json", "config"});
  if (!options.parse(args)) return kDone;
  options.require_option("model");
  if (text.has_value() == ids.has_value()) options.reject("expected either '--text' or '--ids'");

  require_model_folder(common.model, "tokenize");
  const auto tokenizer = load_tokenizer(common.model);
  if (ids) {
    const std::string decoded = tokenizer->decode(ids->empty() ? std::vector<int64_t>() : parse_ids(*ids, "ids"));
    std::cout << (common.json ? dump(OrderedJson{{"text", decoded}}) : decoded) << "\n";
    return kDone;
  }
  const OrderedJson result = tokens_of(*tokenizer, *text);
  if (common.json) {
    std::cout << dump(result) << "\n";
  } else {
    for (size_t i = 0; i < result["ids"].size(); ++i)
      std::cout << result["ids"][i] << "\t" << dump(result["tokens"][i]) << "\n";
  }
  return kDone;
}

}  // namespace

Command tokenize_command() { return {"tokenize", "text to token ids and back", run_tokenize}; }

}  // namespace tacit
