// tacit_tokenizer_bench FOLDER FILE: for each line on stdin, encodes the whole of FILE with the tokenizer of FOLDER and
// prints the seconds it took and the number of ids. scripts/bench-tokenizers drives it beside the reference.
#include <chrono>
#include <iostream>
#include <string>

#include "lib/core/error.h"
#include "lib/core/files.h"
#include "lib/tokenizer/tokenizer.h"

int main(int argc, char** argv) try {
  tacit::require(argc == 3, "tokenizer_bench", "expected FOLDER and FILE but got ", argc - 1, " arguments");
  const auto tokenizer = tacit::load_tokenizer(argv[1]);
  const std::string text = tacit::read_file(argv[2], "tokenizer_bench");
  for (std::string line; std::getline(std::cin, line);) {
    const auto begin = std::chrono::steady_clock::now();
    const std::vector<int64_t> ids = tokenizer->encode(text);
    const std::chrono::duration<double> seconds = std::chrono::steady_clock::now() - begin;
    std::cout << seconds.count() << ' ' << ids.size() << std::endl;
  }
  return 0;
} catch (const tacit::Error& error) {
  std::cerr << error.what() << "\n";
  return 1;
}
