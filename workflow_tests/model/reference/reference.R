# Writes reference.tsv and risks.csv from competing.csv, the table the Python tests read.
# Odd rows train, even rows test. Times are rounded up to a tenth of a year, so many are tied.
# Run in this folder with R 4.2.2, survival 3.5-3, cmprsk 2.2-11, riskRegression 2022.11.28.
suppressMessages({
  library(survival); library(cmprsk); library(riskRegression); library(prodlim)
})
put <- function(name, value) {
  keys <- if (is.null(names(value))) seq_along(value) else names(value)
  lines <- sprintf("%s\t%s\t%.15g", name, keys, value)
  cat(lines, file = "reference.tsv", sep = "\n", append = TRUE)
}
cat("name\tkey\tvalue\n", file = "reference.tsv")
d <- read.csv("competing.csv")
train <- d[seq(1, nrow(d), 2), ]
test <- d[seq(2, nrow(d), 2), ]
horizons <- c(1, 2.5, 5)

for (cause in 1:2) {
  m <- coxph(Surv(time_years, event == cause) ~ age_years + prior_fracture + hu, d)
  put(paste0("cox_", cause), coef(m))
  put(paste0("cox_se_", cause), sqrt(diag(vcov(m))))
  put(paste0("cox_loglik_", cause), m$loglik[2])
}
incidence <- timepoints(cuminc(d$time_years, d$event), horizons)$est
put("aalen_johansen", setNames(incidence["1 1", ], horizons))

csc <- CSC(Hist(time_years, event) ~ age_years + prior_fracture + hu, data = train)
risk <- predictRisk(csc, newdata = test, times = horizons, cause = 1)
write.csv(round(risk, 12), "risks.csv", row.names = FALSE)
score <- Score(list(csc = csc), formula = Hist(time_years, event) ~ 1, data = test,
               times = horizons, cause = 1, metrics = c("auc", "brier"), cens.model = "km",
               null.model = FALSE, conf.int = FALSE)
put("auc", setNames(score$AUC$score$AUC, horizons))
put("brier", setNames(score$Brier$score$Brier, horizons))

# Death as censoring: the concordance of the survival package, plain and weighted by 1/G^2.
lp <- predict(csc$models[[1]], newdata = test, type = "lp")
fracture <- Surv(test$time_years, test$event == 1)
put("harrell", concordance(fracture ~ lp, reverse = TRUE)$concordance)
put("uno_5", concordance(fracture ~ lp, reverse = TRUE, timewt = "n/G2", ymax = 5)$concordance)
write.csv(data.frame(lp = round(lp, 12)), "lp.csv", row.names = FALSE)

gray <- crr(d$time_years, d$event, as.matrix(d[, c("age_years", "prior_fracture", "hu")]))
put("fine_gray", gray$coef)
