#include <doctest/doctest.h>

#include "tests/eval/task_table_support.h"

namespace tacit {
namespace {

TEST_CASE("a table of tasks at a terminal: columns that find no place stand below") {
  const ScratchFolder scratch;
  const TaskTable table = small_table(scratch);
  CHECK(terminal_table(table, 100, false) ==
        R"(accuracy % (95 % CI)                reach              snarks               mean
frontier               93.8† (81.2–100.0)  100.0 (51.0–100.0)  96.9 (71.6–100.0)
cot                      43.8 (18.8–68.8)    50.0 (0.0–100.0)   46.9 (18.9–74.8)
direct                   50.0 (25.0–75.0)                   –                  –
best label-blind rule                62.5                   –                  –

problems: reach 16, snarks 4

† differs from cot, p < .05 (exact paired test, Holm's correction over the rows that were tested
  together, not over the tasks)

not tested: frontier on snarks

no result: direct on snarks

mean: unweighted; its interval takes the tasks for independent and says nothing of other tasks

best label-blind rule of each task, on the same problems: first candidate (reach)

dtype differs within the row cot: fp32 (reach), bf16 (snarks)

dtype differs on snarks: fp32 (frontier), bf16 (cot)
)");
  CHECK(terminal_table(table, 50, false).starts_with(R"(accuracy % (95 % CI)                reach
frontier               93.8† (81.2–100.0)
cot                      43.8 (18.8–68.8)
direct                   50.0 (25.0–75.0)
best label-blind rule                62.5

accuracy % (95 % CI)               snarks
frontier               100.0 (51.0–100.0)
cot                      50.0 (0.0–100.0)
direct                                  –
best label-blind rule                   –

accuracy % (95 % CI)                mean
frontier               96.9 (71.6–100.0)
cot                     46.9 (18.9–74.8)
direct                                 –
best label-blind rule                  –

problems: reach 16, snarks 4
)"));
  CHECK(terminal_table(table, 100, true).starts_with("\x1b[2maccuracy % (95 % CI) "));
}

TEST_CASE("a table of tasks as Markdown, LaTeX and CSV") {
  const ScratchFolder scratch;
  TaskTable table = small_table(scratch);
  table.notes = {"a_note_"};
  CHECK(markdown_table(table) == R"(| accuracy % (95 % CI) | reach | snarks | mean |
| --- | ---: | ---: | ---: |
| frontier | 93.8† (81.2–100.0) | 100.0 (51.0–100.0) | 96.9 (71.6–100.0) |
| cot | 43.8 (18.8–68.8) | 50.0 (0.0–100.0) | 46.9 (18.9–74.8) |
| direct | 50.0 (25.0–75.0) | – | – |
| best label-blind rule | 62.5 | – | – |

a_note\_
)");
  CHECK(latex_table(table) ==
        R"(% needs \usepackage{booktabs}; wider than the page: \resizebox{\linewidth}{!}{..} (graphicx)
\begin{tabular}{lrrr}
\toprule
{}\shortstack[l]{accuracy \%\\(95 \% CI)} & reach & snarks & mean \\
\midrule
{}frontier & 93.8† (81.2--100.0) & 100.0 (51.0--100.0) & 96.9 (71.6--100.0) \\
{}cot & 43.8 (18.8--68.8) & 50.0 (0.0--100.0) & 46.9 (18.9--74.8) \\
{}direct & 50.0 (25.0--75.0) & -- & -- \\
\midrule
{}\textit{best label-blind rule} & 62.5 & -- & -- \\
\bottomrule
\end{tabular}
% a_note_
)");
  table.rows[0].name = "a \"b\", c";
  std::string lines = csv_table(table);
  std::erase(lines, '\r');
  CHECK(std::ranges::count(csv_table(table), '\r') == std::ranges::count(lines, '\n'));
  CHECK(lines == R"(row,task,problems,accuracy,low,high,p_holm,against
"a ""b"", c",reach,16,0.9375,0.8125,1.0,0.015625,cot
"a ""b"", c",snarks,4,1.0,0.5101091635454027,1.0,,
cot,reach,16,0.4375,0.1875,0.6875,,
cot,snarks,4,0.5,0.0,1.0,,
direct,reach,16,0.5,0.25,0.75,1.0,cot
best label-blind rule,reach,16,0.625,,,,
)");
}

TEST_CASE("a table of tasks as JSON: rows, tasks, cells") {
  const ScratchFolder scratch;
  const OrderedJson json = to_json(small_table(scratch));
  REQUIRE(json.at("rows").size() == 3);
  CHECK(json.at("rows")[0].at("name") == "frontier");
  CHECK(json.at("rows")[0].at("mean") == (15. / 16 + 1) / 2);
  CHECK(json.at("rows")[2].at("mean").is_null());
  REQUIRE(json.at("tasks").size() == 2);
  CHECK(json.at("tasks")[0].at("problems") == 16);
  CHECK(json.at("tasks")[0].at("best_rule").at("name") == "first candidate");
  CHECK(json.at("tasks")[1].at("best_rule").is_null());
  CHECK(json.at("tasks")[1].at("problem_set").at("data_sha256") == "snarks.json");
  REQUIRE(json.at("cells").size() == 5);
  CHECK(json.at("cells")[0].at("against") == "cot");
  CHECK(json.at("cells")[0].at("p_holm") == doctest::Approx(4. / 256));
  CHECK(json.at("cells")[1].at("task") == "snarks");
  CHECK(json.at("cells")[1].at("p_holm").is_null());
  CHECK(json.at("cells")[1].at("from") == (scratch / "a").string());
  CHECK(json.at("notes").size() > 3);
}

}  // namespace
}  // namespace tacit
