#include <iostream>

#include "apps/commands.h"
#include "apps/options.h"
#include "lib/core/nearest.h"
#include "lib/model/llama2c.h"

namespace tacit {
namespace {

int run_convert(const std::vector<std::string>& args) {
  std::string format;
  Llama2cOptions to;
  Options options("convert", "A foreign checkpoint as a Hugging Face directory that --model accepts. Formats: llama2c.",
                  "curl -LO https://huggingface.co/karpathy/tinyllamas/resolve/main/stories260K/stories260K.bin\n"
                  "curl -LO https://huggingface.co/karpathy/tinyllamas/resolve/main/stories260K/tok512.bin\n"
                  "tacit convert llama2c --checkpoint stories260K.bin --tokenizer tok512.bin --out stories260K");
  options.positional("FORMAT", &format, "llama2c");
  options.add("checkpoint", "FILE", &to.checkpoint, "llama2.c's .bin file");
  options.add("tokenizer", "FILE", &to.tokenizer, "llama2.c's tokenizer.bin; becomes tokenizer.model");
  options.add("out", "DIR", &to.out, "folder to write");
  if (!options.parse(args)) return kDone;
  if (format != "llama2c")
    options.reject("expected the format llama2c but got '" + format + "'" + did_you_mean(format, {"llama2c"}));
  options.require_option("checkpoint");
  options.require_option("out");
  convert_llama2c(to);
  std::cerr << "tacit: wrote " << to.out.string() << "\n";
  return kDone;
}

}  // namespace

Command convert_command() { return {"convert", "a llama2.c checkpoint as a Hugging Face directory", run_convert}; }

}  // namespace tacit
