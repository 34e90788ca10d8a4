#include <algorithm>

#include "lib/core/error.h"
#include "lib/core/nearest.h"
#include "lib/model/family.h"

namespace tacit {

static const std::vector<Family>& families() {
  static const std::vector<Family> all = {
      gpt2_family(),    gpt_neox_family(),    llama_family(), qwen2_family(),  qwen3_family(),
      mixtral_family(), deepseek_v3_family(), rwkv7_family(), huginn_family(), universal_family(),
      ouro_family(),    trm_family(),         tacit_family(),
  };
  return all;
}

std::vector<std::string> family_names() {
  std::vector<std::string> names;
  for (const Family& f : families()) names.push_back(f.name);
  return names;
}

const Family& family(const std::string& name) {
  for (const Family& f : families()) {
    if (f.name == name || std::ranges::find(f.other_names, name) != f.other_names.end()) return f;
  }
  std::string known;
  for (const std::string& n : family_names()) known += (known.empty() ? "" : ", ") + n;
  fail("read_config", "expected 'model_type' to be one of ", known, " but got '", name, "'",
       did_you_mean(name, family_names()));
}

}  // namespace tacit
