#include <doctest/doctest.h>

#include <cstdlib>
#include <iostream>
#include <sstream>

#include "eval/report_html.h"
#include "lib/core/json.h"
#include "tests/apps/checkpoint.h"
#include "tests/eval/report_support.h"

using namespace tacit;
using namespace tacit::test;

namespace {

// The browser or program of this name that PATH finds, "" = none.
std::string on_path(const std::vector<std::string>& names) {
  const char* path = std::getenv("PATH");
  std::istringstream folders(path == nullptr ? "" : path);
  for (std::string folder; std::getline(folders, folder, ':');) {
    for (const std::string& name : names) {
      const std::filesystem::path file = std::filesystem::path(folder) / name;
      std::error_code ignored;
      if (!folder.empty() && std::filesystem::is_regular_file(file, ignored)) return file;
    }
  }
  return "";
}

struct Opened {
  std::string dom;                    // after scripts have run
  std::vector<std::string> messages;  // of the console: errors, refused requests
  std::vector<std::string> requests;  // of the page that are no file's
};

// In a browser that resolves no name, with a profile of its own.
Opened open_page(const std::string& browser, const ScratchFolder& scratch, const std::string& page) {
  put(scratch / "page.html", page);
  const std::string log = scratch / "net.json";
  const Finished run = run_program({"timeout", "90", browser, "--headless", "--no-sandbox", "--disable-gpu",
                                    "--no-first-run", "--disable-background-networking", "--disable-component-update",
                                    "--host-resolver-rules=MAP * ~NOTFOUND", "--enable-logging=stderr",
                                    "--user-data-dir=" + (scratch / "profile").string(), "--log-net-log=" + log,
                                    "--dump-dom", "file://" + (scratch / "page.html").string()});
  CAPTURE(run.err);
  REQUIRE(run.code == 0);
  Opened out{run.out, {}, {}};
  std::istringstream lines(run.err);
  for (std::string line; std::getline(lines, line);) {
    if (holds(line, ":CONSOLE")) out.messages.push_back(line);
  }
  // The browser's own requests have no initiator that is a page.
  const Json net = read_json(log, "test");
  for (const Json& event : net.at("events")) {
    const Json params = event.value("params", Json::object());
    const std::string url = params.value("url", ""), initiator = params.value("initiator", "not an origin");
    if (initiator != "not an origin" && !url.starts_with("file:")) out.requests.push_back(url);
  }
  return out;
}

std::string without_provenance(const std::string& page) {
  return page.substr(0, page.find("<section id=\"provenance\""));
}

}  // namespace

TEST_CASE("a browser opens the page without an error and without a request, its script works") {
  const std::string browser = on_path({"chromium", "chromium-browser", "google-chrome"});
  if (browser.empty()) {
    std::cout << "TACIT-SKIP: no chromium\n";
    return;
  }
  const ScratchFolder scratch;
  NamedRuns runs = page_runs();
  for (auto& [name, run] : runs) {
    for (Sample& s : run.samples) s.question = s.text = s.answer = kHostile;
  }
  Comparison comparison = page_comparison(runs);
  comparison.notes = {kHostile};
  const std::string page = html_report(comparison, runs);
  const Opened opened = open_page(browser, scratch, page);
  for (const std::string& message : opened.messages) FAIL_CHECK(message);
  for (const std::string& url : opened.requests) FAIL_CHECK(url);
  CHECK(holds(opened.dom, "<div id=\"tip\" hidden"));
  CHECK(holds(opened.dom, "data-tip=\"frontier: 93.8 % (81.2–100.0), 200 MFLOPs a problem\""));
  CHECK(holds(opened.dom, "class=\"choose\""));
  CHECK(holds(opened.dom, "aria-pressed=\"true\""));
  CHECK(holds(opened.dom, "sortable"));

  // That such things would be seen: a script that fails; a picture from outside; the same within the page's policy.
  const Opened broken =
      open_page(browser, scratch, "<!DOCTYPE html><img src=\"http://tacit.invalid/x.png\"><script>missing()</script>");
  REQUIRE(broken.messages.size() == 1);
  CHECK(holds(broken.messages[0], "missing is not defined"));
  CHECK(broken.requests == std::vector<std::string>{"http://tacit.invalid/x.png"});
  std::string smuggled = page;
  smuggled.insert(smuggled.find("<main>"), "<img src=\"http://tacit.invalid/x.png\"><script>missing()</script>");
  const Opened refused = open_page(browser, scratch, smuggled);
  CHECK(refused.messages.size() >= 2);
  CHECK(refused.requests.empty());
  CHECK_FALSE(holds(refused.messages[0] + refused.messages[1], "missing is not defined"));
}

TEST_CASE("compare --out writes the page and the plots' data; --runs gives the same page") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "thinks", "coconut", 1);
  write_checkpoint(scratch / "writes", "cot", 2);
  const Finished first =
      run_tacit({"compare", "--model", scratch / "thinks", "--model", scratch / "writes", "--out", scratch / "a",
                 "--task", "reach", "--count", "6", "--seed", "3", "--latency-problems", "2", "--threads", "1"});
  CAPTURE(first.err);
  REQUIRE(first.code == 0);
  const std::string page = read_file(scratch / "a/compare.html", "test");
  CHECK(page.starts_with("<!DOCTYPE html>"));
  CHECK(holds(page, "reach, 6 problems"));
  CHECK(holds(page, "id=\"accuracy-flops\""));
  CHECK(holds(page, "id=\"accuracy-ms\""));
  CHECK(holds(page, "id=\"accuracy-depth\""));
  for (const char* name : {"accuracy-flops", "accuracy-ms", "accuracy-depth"}) {
    CAPTURE(name);
    CHECK(std::filesystem::file_size(scratch / "a/plots" / (std::string(name) + ".tsv")) > 0);
    const std::string picture = read_file(scratch / "a/plots" / (std::string(name) + ".svg"), "test");
    CHECK(holds(picture, "</svg>"));
    CHECK_FALSE(holds(picture, "var("));
    CHECK(std::filesystem::file_size(scratch / "a/plots" / (std::string(name) + ".gp")) > 0);
    if (on_path({"gnuplot"}).empty()) continue;
    const Finished drawn =
        run_program({"sh", "-c", "cd '" + (scratch / "a/plots").string() + "' && gnuplot " + name + ".gp"});
    CHECK(drawn.err == "");
    CHECK(holds(read_file(scratch / "a/plots" / (std::string(name) + "-gnuplot.svg"), "test"), "</svg>"));
  }
  CHECK_FALSE(holds(first.err, "warning"));
  const Finished again = run_tacit(
      {"compare", "--runs", scratch / "a/runs/thinks", "--runs", scratch / "a/runs/writes", "--out", scratch / "b"});
  CAPTURE(again.err);
  REQUIRE(again.code == 0);
  CHECK(without_provenance(read_file(scratch / "b/compare.html", "test")) == without_provenance(page));
}

TEST_CASE("a report in an earlier one's folder leaves no plot of that one, and every other file") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "thinks", "coconut", 1);
  const Finished first = run_tacit({"compare", "--model", scratch / "thinks", "--out", scratch / "a", "--count", "3",
                                    "--seed", "3", "--seeds", "2", "--no-controls", "--sweep-latents", "0,1"});
  CAPTURE(first.err);
  REQUIRE(first.code == 0);
  const std::filesystem::path plots = scratch / "a/plots";
  CHECK(std::filesystem::exists(plots / "accuracy-thoughts.gp"));
  CHECK(std::filesystem::exists(plots / "accuracy-seeds.tsv"));
  for (const char* name : {"accuracy-seeds-gnuplot.svg", "mine.tsv", "accuracy-seeds.txt"}) put(plots / name, "");
  const Finished second = run_tacit(
      {"compare", "--runs", "thinks=" + std::string(scratch / "a/runs/thinks/seed-3"), "--out", scratch / "a"});
  CAPTURE(second.err);
  REQUIRE(second.code == 0);
  for (const std::string ending : {".tsv", ".gp", ".svg", "-gnuplot.svg"}) {
    CHECK_FALSE(std::filesystem::exists(plots / ("accuracy-seeds" + ending)));
    CHECK_FALSE(std::filesystem::exists(plots / ("accuracy-thoughts" + ending)));
  }
  for (const char* name : {"accuracy-depth.tsv", "accuracy-depth.gp", "mine.tsv", "accuracy-seeds.txt"})
    CHECK(std::filesystem::exists(plots / name));
}

TEST_CASE("compare --out writes over no report that has other rows, and over nobody else's file") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "a", "coconut", 1);
  write_checkpoint(scratch / "b", "coconut", 2);
  const auto compared = [&](const std::vector<std::string>& models, const std::filesystem::path& out) {
    std::vector<std::string> command = {
        "compare", "--out", out, "--task", "reach", "--count", "3", "--seed", "3", "--latency-problems", "0"};
    for (const std::string& model : models) command.insert(command.end(), {"--model", scratch / model});
    return run_tacit(command);
  };
  const std::filesystem::path out = scratch / "out", other = scratch / "other";
  REQUIRE(compared({"a"}, out).code == 0);
  REQUIRE(compared({"a", "b"}, out).code == 0);  // a row more
  const std::string report = read_file(out / "compare.json", "test");
  for (const Finished& fewer :
       {compared({"b"}, out), run_tacit({"compare", "--runs", out / "runs" / "b", "--out", out})}) {
    CAPTURE(fewer.err);
    CHECK(fewer.code == 1);
    CHECK(holds(fewer.err, "expected a new folder, or one of a comparison that has only rows of this one, but got " +
                               out.string() + " with the row \"a\""));
  }
  CHECK(read_file(out / "compare.json", "test") == report);

  std::filesystem::create_directories(other / "runs");
  put(other / "compare.md", "mine");
  const Finished foreign = compared({"a"}, other);
  CHECK(foreign.code == 1);
  CHECK(holds(foreign.err, "which holds 'compare.md'"));
  std::filesystem::remove(other / "compare.md");
  CHECK(compared({"a"}, other).code == 0);  // as a comparison leaves it that was stopped
}

TEST_CASE("compare --out writes over no report whose rows are of other models or problems under the same names") {
  const ScratchFolder scratch;
  write_checkpoint(scratch / "a", "coconut", 1);
  write_checkpoint(scratch / "b", "coconut", 2);
  const auto evaluated = [&](const std::string& model, const std::string& seed) {
    const std::string out = scratch / (model + seed) / "run";
    const Finished done = run_tacit({"eval", "--model", scratch / model, "--task", "reach", "--count", "3", "--seed",
                                     seed, "--latency-problems", "0", "--threads", "1", "--out", out});
    CAPTURE(done.err);
    REQUIRE(done.code == 0);
    return out;
  };
  const std::string a7 = evaluated("a", "7"), a8 = evaluated("a", "8"), b7 = evaluated("b", "7");
  const std::string out = scratch / "report";
  const auto compared = [&](const std::string& run) {
    return run_tacit({"compare", "--runs", "run=" + run, "--out", out});
  };
  REQUIRE(compared(a7).code == 0);
  const std::string report = read_file(out + "/compare.json", "test");
  for (const auto& [run, difference] : {std::pair{a8, "of 'seed' 7 where this one has 8; choose another folder"},
                                        std::pair{b7, "with the row \"run\" of 'weights_sha256' \""}}) {
    const Finished other = compared(run);
    CAPTURE(other.err);
    CHECK(other.code == 1);
    CHECK(holds(other.err, "or one of a comparison of the same models and problems, but got " + out));
    CHECK(holds(other.err, difference));
    CHECK(read_file(out + "/compare.json", "test") == report);
  }
  CHECK(compared(a7 + "," + a8).code == 0);  // one in common: the row has gained a seed
  CHECK(compared(a8).code == 0);
}
